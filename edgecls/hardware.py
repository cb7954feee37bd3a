"""What machine this is: the facts that decide a quantization scheme and stand beside a figure."""

from __future__ import annotations

import os
import platform
import re
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgecls.core import Hardware

# Names as the kernel prints them; the first spelling is ours.
FEATURES = {
    "avx2": ("avx2",),
    "avx512f": ("avx512f",),
    "avx512_vnni": ("avx512_vnni", "avx512vnni"),
    "avx_vnni": ("avx_vnni",),
    "avx512_bf16": ("avx512_bf16",),
    "amx_int8": ("amx_int8",),
    "amx_bf16": ("amx_bf16",),
    "neon": ("neon", "asimd"),
    "dotprod": ("asimddp",),
    "i8mm": ("i8mm",),
}


@lru_cache(maxsize=1)
def here() -> Hardware:
    """This machine."""
    cpuinfo = _read("/proc/cpuinfo")
    flags = set(" ".join(re.findall(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo, re.M)[:1]).split())
    model = re.search(r"^(?:model name|Hardware|Model)\s*:\s*(.*)$", cpuinfo, re.M)
    return Hardware(
        name=model.group(1).strip() if model else platform.processor() or platform.machine(),
        machine=platform.machine(),
        features=tuple(
            name for name, spellings in FEATURES.items() if flags.intersection(spellings)
        ),
        cores=usable_cores(),
    )


def saturates(machine: Hardware) -> bool:
    """Whether 8-bit weights overflow: x86 without VNNI adds two products in 16 bits."""
    arm = machine.machine in ("aarch64", "arm64")
    return not arm and not {"avx512_vnni", "avx_vnni", "amx_int8"} & set(machine.features)


def usable_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def package_version(name: str) -> str:
    """An installed package's version, or the empty string."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those `packages` that are installed."""
    return {name: found for name in packages if (found := package_version(name))}


def environment() -> dict[str, object]:
    """What stands beside every figure: machine, system, Python and clock policy."""
    machine = here()
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
    return {
        "cpu": machine.name,
        "machine": machine.machine,
        "features": list(machine.features),
        "cores": machine.cores,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **({"governor": governor} if governor else {}),
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
