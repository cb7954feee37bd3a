"""What this machine is and has: CPU, memory, disk, accelerators; and what it means for int8."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from edgecls import hardware, intel, jetpack, nvidia
from edgecls.core import Hardware
from edgecls.doctor.check import Check

PART = "machine"
GIB = 1 << 30
LEAST_MEMORY, LEAST_DISK = 3 * GIB, 5 * GIB
LIMIT_S = 10.0
_GPU = ("name", "driver_version", "compute_cap", "memory.total")


def check(folder: Path) -> Iterator[Check]:
    """folder: where runs and bundles would be written."""
    here = hardware.here()
    features = ", ".join(here.features) or "none that matter"
    yield Check(PART, "cpu", "ok", f"{here.name}, {here.cores} usable cores: {features}")
    yield Check(PART, "int8", "ok", int8_means(here))
    yield from _memory()
    free = shutil.disk_usage(folder).free
    text = f"{free / GIB:.1f} GiB free for {folder}"
    if free < LEAST_DISK:
        yield Check(PART, "disk", "warning", text, "free some space, or choose another disk")
    else:
        yield Check(PART, "disk", "ok", text)
    yield from _gpus()


def int8_means(machine: Hardware) -> str:
    """What the CPU's instructions make of int8."""
    if machine.is_arm and "dotprod" in machine.features:
        return "dot product: int8 by int8, quick and exact"
    if machine.is_arm:
        return "no dot product: int8 gains little over fp32"
    if hardware.saturates(machine):
        return "no VNNI: weights of 8 bits overflow, 7 bits are used; int8 gains about a third"
    bf16 = "; bf16 as well" if {"avx512_bf16", "amx_bf16"} & set(machine.features) else ""
    return f"VNNI: uint8 by int8 with all 8 bits{bf16}"


def _memory() -> Iterator[Check]:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return
    sizes = {name: 1024 * int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    total, free = sizes.get("MemTotal", 0), sizes.get("MemAvailable", 0)
    told = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    if free < LEAST_MEMORY:
        yield Check(PART, "memory", "warning", told, "end other programs before training")
    else:
        yield Check(PART, "memory", "ok", told)


def _gpus() -> Iterator[Check]:
    found = False
    l4t = jetpack.l4t_here()
    if l4t:
        found = True
        release = jetpack.of_l4t(l4t)
        named = f"JetPack {release.release}" if release else "a JetPack that the table has not"
        yield Check(PART, "jetson", "ok", f"Jetson Linux {l4t}: {named}")
    elif nvidia.has_gpu():
        found = True
        yield from _nvidia()
    for name, there in (("gpu", intel.has_gpu()), ("npu", intel.has_npu())):
        if there:
            found = True
            yield Check(PART, f"intel {name}", "ok", f"there: --target openvino-{name}")
    if not found:
        yield Check(PART, "gpu", "ok", "none: training and measuring are the CPU's")


def _nvidia() -> Iterator[Check]:
    """By nvidia-smi, which the driver brings; and whether PyTorch can use it."""
    command = ["nvidia-smi", f"--query-gpu={','.join(_GPU)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        fix = "reinstall NVIDIA's driver, and reboot"
        yield Check(PART, "nvidia gpu", "warning", f"nvidia-smi does not answer: {error}", fix)
        return
    for line in done.stdout.decode(errors="replace").splitlines():
        name, driver, capability, memory = (part.strip() for part in f"{line},,,".split(",")[:4])
        text = f"{name}, driver {driver}, compute capability {capability}, {memory}"
        yield Check(PART, "nvidia gpu", "ok", text)
    torch = hardware.package_version("torch")
    if torch.endswith("+cpu"):
        fix = "install PyTorch's CUDA build: pytorch.org/get-started"
        yield Check(PART, "torch", "warning", f"{torch} is the CPU's build", fix)


def python(required: str) -> Check:
    """required: the range of Python versions, as metadata has it."""
    from packaging.specifiers import SpecifierSet

    found = platform.python_version()
    if SpecifierSet(required).contains(found, prereleases=True):
        return Check(PART, "python", "ok", found)
    return Check(PART, "python", "broken", f"{found} is not {required}", f"use Python {required}")
