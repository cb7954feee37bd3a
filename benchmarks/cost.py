"""What the tool itself costs: start-up, conversion and evaluation, and how all of it grows.

Every figure is of a whole cold process: wall time, and the peak of its resident memory and its
children's. Three questions:

- start-up: ``--help`` and ``targets``, the median of several;
- nets: `edgecls export` for every target that converts here, from resnet8 at 32×32 to resnet50 at
  224×224, with random weights;
- images: data preparation, and `edgecls evaluate` of resnet8, from 1,000 to 50,000 JPEGs at 64×64,
  drawn at random (or of ``--data CIFAR``, as many as there are).

The claims: ``--help`` takes at most 0.25 s; no step's time grows faster than 1.25 times what it is
given (parameters of the net, number of images); for each image that is added, the memory that is
preparation's own grows by at most half of its decoded bytes, for it streams.

    python benchmarks/cost.py --out FOLDER [--data CIFAR] [--quick]

What stands in FOLDER is used again. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import random_net
from PIL import Image

from edgecls import hardware, targets
from edgecls.models import checkpoint as checkpoints

BOUND_S = 0.25
SUPERLINEAR, KEPT_SHARE = 1.25, 0.5
SIDE, SEED = 64, 7
COST_OF = Path(__file__).resolve().with_name("cost_of.py")
# In a process that imports nothing else.
PREPARE = f"""
import sys
from pathlib import Path
from edgecls import data
from edgecls.device.preprocess import Preprocess
preprocess = Preprocess(({SIDE}, {SIDE}), mode="RGB", mean=(0.5,) * 3, std=(0.25,) * 3)
fractions = data.SplitFractions(0.8, 0.1, 0.1)
data.prepare(Path(sys.argv[1]), preprocess, fractions, 0, Path(sys.argv[2]))
"""
EDGECLS = (sys.executable, "-m", "edgecls")


@dataclass(frozen=True)
class Sizes:
    """What is measured. nets: name, side and targets (none: every one that converts here)."""

    runs: int
    nets: tuple[tuple[str, int], ...]
    targets: tuple[str, ...]
    images: tuple[int, ...]


QUICK = Sizes(3, (("resnet8", 32), ("resnet20", 32)), ("onnxruntime", "openvino"), (1000, 8000))
WHOLE = Sizes(10, (("resnet8", 32), ("resnet18", 224), ("resnet50", 224)), (), (1000, 10000, 50000))


@dataclass(frozen=True)
class Cost:
    """Of a process: wall time, and the peak of the largest of it and its children.

    own_bytes: the peak of what is its own alone, without mapped files; sampled, of the process
    without its children.
    """

    seconds: float
    peak_bytes: int
    own_bytes: int


def cost(command: Sequence[str], log: Path) -> Cost:
    """Run a command to its end; exits with what it said where it fails."""
    beside = [sys.executable, str(COST_OF), str(log), *command]
    done = subprocess.run(beside, capture_output=True, text=True)
    if done.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")
        sys.exit(f"{' '.join(command)} failed:\n{said[-3000:]}{done.stderr}")
    return Cost(**json.loads(done.stdout))


def startup(runs: int, out: Path) -> dict[str, float]:
    """The median seconds of each of the two commands."""
    program = str(Path(sys.executable).with_name("edgecls"))
    found = {}
    for word in ("--help", "targets"):
        seconds = [cost((program, word), out / "log").seconds for _ in range(runs)]
        found[word] = round(median(seconds), 4)
    return found


def exports(sizes: Sizes, out: Path) -> list[dict[str, Any]]:
    """Each net for each target in fp32 (fp16 where it has no fp32)."""
    found = []
    for arch, side in sizes.nets:
        source = random_net.checkpoint_of(arch, side, out)
        params = checkpoints.load(source).num_params
        for name in sizes.targets or converting():
            precisions = targets.get(name).precisions
            precision = "fp32" if "fp32" in precisions else precisions[0]
            row = {"step": f"export {name} {precision}", "net": arch, "given": params}
            words = [*EDGECLS, "export", str(source), "--target", name, "--precision", precision]
            to = out / "bundle"
            shutil.rmtree(to, ignore_errors=True)
            found.append(row | kept(out, f"{arch}-{name}", [*words, "--out", str(to)]))
            print(json.dumps(found[-1]), flush=True)
    return found


def converting() -> tuple[str, ...]:
    """The targets that convert here."""
    every = [targets.get(name) for name in targets.names()]
    able = [each for each in every if each.availability().convert.status == "ok"]
    return tuple(each.name for each in able if each.name != "torch")


def data_steps(sizes: Sizes, out: Path, cifar: Path | None) -> list[dict[str, Any]]:
    """Preparation and evaluation of so many images."""
    source = random_net.checkpoint_of("resnet8", SIDE, out)
    found = []
    for count in sizes.images:
        folder = images(count, out, cifar)
        given = sum(1 for _ in folder.rglob("*.jpg"))
        to, scores = out / "prepared", out / "scores"
        for path in (to, scores):
            shutil.rmtree(path, ignore_errors=True)
        prepare = [sys.executable, "-c", PREPARE, str(folder), str(to)]
        evaluate = [*EDGECLS, "evaluate", str(source), "--data", str(folder), "--split", "all"]
        steps = {"prepare": prepare, "evaluate": [*evaluate, "--out", str(scores)]}
        for step, command in steps.items():
            row = {"step": step, "images": given, "given": given}
            found.append(row | kept(out, f"{step}-{given}", command))
            print(json.dumps(found[-1]), flush=True)
    return found


def kept(out: Path, name: str, command: Sequence[str]) -> dict[str, Any]:
    """The cost of a command, measured once."""
    path = out / "costs" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_text(json.dumps(asdict(cost(command, out / "log"))), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def images(count: int, out: Path, cifar: Path | None) -> Path:
    """A folder of ten classes with `count` JPEGs, of CIFAR's or drawn; each is another one."""
    folder = out / f"images-{count}"
    if folder.is_dir():
        return folder
    part = out / "images.part"
    shutil.rmtree(part, ignore_errors=True)
    classes = random_net.NUM_CLASSES
    for number in range(classes):
        (part / f"class{number}").mkdir(parents=True)
    if cifar is not None:
        for number, source in enumerate(sorted(p for p in (cifar / "train").iterdir())):
            for file in sorted(source.glob("*.jpg"))[: count // classes]:
                shutil.copyfile(file, part / f"class{number}" / file.name)
    else:
        for start in range(0, count, 500):
            chunk = random_net.pictures(min(500, count - start), SIDE, SEED + start)
            for index, picture in enumerate(chunk, start):
                file = part / f"class{index % classes}" / f"{index:06}.jpg"
                Image.fromarray(np.asarray(picture)).save(file, quality=92)
    part.rename(folder)
    return folder


def growth(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each step from its smallest to its largest: how much more it was given, took and kept."""
    found = []
    for step in dict.fromkeys(row["step"] for row in rows):
        mine = sorted((row for row in rows if row["step"] == step), key=lambda row: row["given"])
        first, last = mine[0], mine[-1]
        if first is last:
            continue
        given = last["given"] / first["given"]
        told = {
            "step": step,
            "given_times": round(given, 1),
            "seconds_times": round(last["seconds"] / first["seconds"], 2),
            "peak_times": round(last["peak_bytes"] / first["peak_bytes"], 2),
            "own_added_bytes_each": round(
                (last["own_bytes"] - first["own_bytes"]) / (last["given"] - first["given"]), 1
            ),
        }
        found.append(told)
    return found


def claims(started: dict[str, float], grown: Sequence[dict[str, Any]]) -> dict[str, bool]:
    decoded = prod((SIDE, SIDE, 3))
    prepare = next(each for each in grown if each["step"] == "prepare")
    return {
        "help_within_a_quarter_of_a_second": started["--help"] <= BOUND_S,
        "no_step_superlinear": all(
            each["seconds_times"] <= SUPERLINEAR * each["given_times"] for each in grown
        ),
        "preparation_streams": prepare["own_added_bytes_each"] <= KEPT_SHARE * decoded,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="a folder with train/<class>/*.jpg")
    parser.add_argument("--quick", action="store_true", help="small nets, few images: a trial")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    sizes, out = QUICK if asked.quick else WHOLE, asked.out.resolve()
    started = startup(sizes.runs, out)
    rows = exports(sizes, out) + data_steps(sizes, out, asked.data)
    grown = growth(rows)
    told = claims(started, grown)
    record = {"startup_s": started, "rows": rows, "growth": grown, "claims": told}
    print(json.dumps({**record, "machine": hardware.environment()}))
    sys.exit(0 if all(told.values()) else 1)


if __name__ == "__main__":
    main()
