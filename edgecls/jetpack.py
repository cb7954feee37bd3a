"""JetPack's releases from 6.1 on, and what they mean for a bundle: a table, and its warnings.

Sources: NVIDIA's JetPack archive and Jetson Linux release notes for the releases, TensorRT's
support matrix, migration guide (10.x to 11.x on Jetson/JetPack) and "Working with DLA" for the
rest. What none of them confirmed to us is named in `unconfirmed`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ORIN, THOR = "jetson-orin", "jetson-thor"
BOARDS = {ORIN: "8.7", THOR: "11.0"}
RELEASE_FILE = Path("/etc/nv_tegra_release")
# The newest that TensorRT's ONNX parser takes, by the first version that does.
PARSER_OPSETS = (((10, 0), 20), ((10, 9), 22), ((10, 13), 24))
# The newest series that installs on a Python; the bundles' own ranges admit them all.
NEWEST_ON = {
    "3.10": {"numpy": "2.2", "pillow": "12", "onnxruntime": "1.23"},
    "3.12": {},
}


@dataclass(frozen=True)
class JetPack:
    """One release. l4t: of Jetson Linux; boards: profiles; unconfirmed: fields that are guesses."""

    release: str
    l4t: tuple[str, ...]
    tensorrt: str
    cuda: str
    python: str
    boards: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()

    def shown(self, name: str) -> str:
        """A field, with a question mark where it is unconfirmed."""
        value = getattr(self, name)
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        return f"{text}?" if name in self.unconfirmed else text


RELEASES = (
    JetPack("6.1", ("36.4.0",), "10.3", "12.6", "3.10", (ORIN,)),
    JetPack("6.2", ("36.4.3",), "10.3", "12.6", "3.10", (ORIN,)),
    JetPack("6.2.1", ("36.4.4", "36.4.7"), "10.3", "12.6", "3.10", (ORIN,)),
    JetPack("6.2.2", ("36.5.0",), "10.3", "12.6", "3.10", (ORIN,), ("tensorrt",)),
    JetPack("6.2.3", ("36.5.2",), "10.3", "12.6", "3.10", (ORIN,), ("tensorrt", "cuda")),
    JetPack("7.0", ("38.2.0", "38.2.1"), "10.13", "13.0", "3.12", (THOR,)),
    JetPack("7.1", ("38.4.0",), "10.13", "13.0", "3.12", (THOR,), ("tensorrt", "cuda")),
    JetPack("7.2", ("39.2.0",), "10.16", "13.2", "3.12", (ORIN, THOR), ("tensorrt",)),
    JetPack("7.2.1", ("39.2.1",), "10.16", "13.2", "3.12", (ORIN, THOR), ("tensorrt",)),
    # The first that TensorRT 11 is made for; it is installed from the SBSA package.
    JetPack("7.2.2", (), "11.4.1", "13.2", "3.12", (ORIN, THOR), ("tensorrt", "cuda", "l4t")),
)


def of_board(profile: str) -> tuple[JetPack, ...]:
    """The releases for one board, oldest first; none for what is no Jetson."""
    return tuple(release for release in RELEASES if profile in release.boards)


def of_l4t(version: str) -> JetPack | None:
    """The release with that Jetson Linux, such as ``36.4.3`` or ``36.4``."""
    whole = ".".join([*version.split("."), "0", "0"][:3])
    return next((release for release in RELEASES if whole in release.l4t), None)


def l4t_here(path: Path = RELEASE_FILE) -> str:
    """The Jetson Linux of this machine, empty where it is none.

    Its first line is ``# R36 (release), REVISION: 4.3, GCID: …``.
    """
    try:
        line = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)", line)
    return f"{found[1]}.{found[2]}" if found else ""


def has_dla(release: JetPack) -> bool:
    """Whether its TensorRT builds for the DLA of an Orin: 10.7 was the last before 11.4.1."""
    version = _numbers(release.tensorrt)
    return ORIN in release.boards and (version <= (10, 7) or version >= (11, 4, 1))


def newest_opset(tensorrt: str) -> int:
    """Of the graphs that a TensorRT's parser takes."""
    version = _numbers(tensorrt)
    return max((opset for first, opset in PARSER_OPSETS if first <= version), default=20)


def warnings(profile: str, opset: int) -> list[str]:
    """What to mind on a board. opset: the newest that our graphs use. Empty for no Jetson."""
    releases = of_board(profile)
    if not releases:
        return []
    found = [
        f"TensorRT comes with JetPack, and needs {releases[0].release} or newer: make the bundle's "
        "environment with python3 -m venv --system-site-packages",
        f"engines are for one TensorRT and compute capability {BOARDS[profile]}: each device "
        "builds its own (python3 infer.py --prepare)",
    ]
    for python in sorted({release.python for release in releases}):
        limits = NEWEST_ON.get(python, {})
        if limits:
            older = ", ".join(f"{name} {version}" for name, version in limits.items())
            found.append(
                f"Python {python} ({_named([r for r in releases if r.python == python])}): the "
                f"newest there are {older}; the bundles' requirements admit them"
            )
    refused = [r for r in releases if newest_opset(r.tensorrt) < opset]
    if refused:
        found.append(f"our graphs use opset {opset}, which the parsers of {_named(refused)} refuse")
    if profile == ORIN:
        without = [release for release in releases if not has_dla(release)]
        found.append(f"no DLA in TensorRT of {_named(without)}; none on an Orin Nano")
    else:
        found.append("a Jetson Thor has no DLA")
    guessed = [release for release in releases if release.unconfirmed]
    if guessed:
        found.append(f"what a question mark follows was not confirmed: {_named(guessed)}")
    return found


def _named(releases: list[JetPack]) -> str:
    return "JetPack " + ", ".join(release.release for release in releases)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
