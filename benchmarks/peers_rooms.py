"""Rooms of the peers: an environment each, empty caches, commands that are timed from outside.

A room is made once, from the package index, and holds what its peer's own documentation asks for.
A command gets empty folders for everything that its programs keep from one run to the next, so each
is as cold as a first one; what a peer would send home is switched off by its own settings.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls.device.meta import sha256

WALL = "wall.json"
# What would reach for the network, by each peer's own switch.
QUIET = {
    "OLIVE_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "YOLO_OFFLINE": "True",
    "YOLO_AUTOINSTALL": "False",
}
CACHES = (
    "HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "HF_HOME",
    "TORCH_HOME",
    "YOLO_CONFIG_DIR",
    "MPLCONFIGDIR",
)


@dataclass(frozen=True)
class Room:
    """name: its folder's. packages: what is installed in it."""

    name: str
    packages: tuple[str, ...]


# Olive imports requests without asking for it. torchvision is what nets are made of.
OLIVE = Room("olive", ("olive-ai", "requests", "torch", "torchvision", "onnxruntime"))
BY_HAND = Room(
    "by-hand",
    ("torch", "torchvision", "onnx", "onnxscript", "onnxruntime", "sympy", "nncf", "openvino"),
)
ULTRALYTICS = Room("ultralytics", ("ultralytics", "onnx", "onnxruntime", "openvino", "nncf"))


@dataclass(frozen=True)
class Timed:
    """A command that has ended: what it wrote into, and its wall time."""

    folder: Path
    seconds: float


def python(room: Room, out: Path) -> Path:
    """The interpreter of a room under `out`, which is furnished at the first call."""
    folder = out / "rooms" / room.name
    program = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        print(f"installing {', '.join(room.packages)}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(program), "-m", "pip", "install", "--quiet", *room.packages]
        subprocess.run(install, check=True)
        (folder / ".installed").touch()
    return program


def versions(room: Room, out: Path) -> dict[str, str]:
    """Of the packages that were asked for by name."""
    code = (
        "import importlib.metadata as m, json, sys; "
        "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
    )
    command = [str(python(room, out)), "-c", code, *room.packages]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def cold(folder: Path) -> dict[str, str]:
    """The environment of a command whose caches are new folders in `folder`."""
    found = {**os.environ, **QUIET}
    for name in CACHES:
        place = folder / "caches" / name
        place.mkdir(parents=True, exist_ok=True)
        found[name] = str(place)
    return found


def timed(
    command: Sequence[str], folder: Path, log: Path, given: Mapping[str, Path] | None = None
) -> Timed:
    """Run a command that writes into `folder`, unless it has done so; its wall time either way.

    ``{}`` in the command stands for the folder. given: name -> file that lies there before the
    clock starts. A command that was killed begins anew: half a wall time is none; so does another
    command, or one with other files, than what stands there is of.
    """
    files = given or {}
    asked = {"command": list(command), "given": [sha256(str(file)) for file in files.values()]}
    if {key: _record(folder).get(key) for key in asked} != asked:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, file in files.items():
            shutil.copyfile(file, folder / name)
        words = [word.replace("{}", str(folder)) for word in command]
        with log.open("wb") as stream:
            environment = cold(folder)
            begin = time.perf_counter()
            done = subprocess.run(
                words, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT
            )
            seconds = time.perf_counter() - begin
        if done.returncode:
            said = log.read_text(encoding="utf-8", errors="replace").splitlines()
            sys.exit("\n".join([*said[-30:], f"failed with {done.returncode}: {' '.join(words)}"]))
        (folder / WALL).write_text(json.dumps({**asked, "seconds": seconds}), encoding="utf-8")
    return Timed(folder, _record(folder)["seconds"])


def _record(folder: Path) -> dict[str, Any]:
    """What is known of the command that wrote the folder; empty where none has ended."""
    try:
        found: dict[str, Any] = json.loads((folder / WALL).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found
