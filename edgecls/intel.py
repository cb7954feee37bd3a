"""Which Intel devices beside the CPU this machine has, as the kernel and OpenVINO see them."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from edgecls import isolated
from edgecls.hardware import package_version

INTEL = "0x8086"
GRAPHICS = Path("/sys/class/drm")
ACCELERATORS = Path("/sys/class/accel")
# OpenVINO loads every plugin's driver.
LIMIT_S = 120.0
_ASK = "import json, openvino; print(json.dumps(openvino.Core().available_devices))"


def has_gpu() -> bool:
    """Whether the kernel knows graphics of Intel's."""
    return any(_vendor(card) == INTEL for card in _devices(GRAPHICS, "renderD*"))


def has_npu() -> bool:
    """Whether the kernel's driver of the NPU is at work."""
    return any(_vendor(card) == INTEL for card in _devices(ACCELERATORS, "accel*"))


@lru_cache(maxsize=1)
def seen_by_openvino() -> tuple[str, ...]:
    """OpenVINO's names of its devices, such as ``CPU`` and ``GPU.0``; empty where it fails.

    Asked in a process of its own, because a plugin may crash and the import costs a second.
    """
    if not package_version("openvino"):
        return ()
    command = [sys.executable, *isolated.flags(), "-c", _ASK]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=True)
        return tuple(json.loads(done.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        return ()


def _devices(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.is_dir() else []


def _vendor(card: Path) -> str:
    try:
        return (card / "device" / "vendor").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
