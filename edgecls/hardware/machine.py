"""What machine this is: the facts that decide a quantization scheme and stand beside a figure."""

from __future__ import annotations

import os
import platform
import re
from functools import lru_cache
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
# Any of them adds four products of 8 bits in 32 bits.
VNNI = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


@lru_cache(maxsize=1)
def here() -> Hardware:
    """This machine."""
    machine = platform.machine()
    return parsed(_read("/proc/cpuinfo"), machine, usable_cores(), platform.processor() or machine)


def parsed(cpuinfo: str, machine: str, cores: int, otherwise: str) -> Hardware:
    """A machine, by its kernel's words. otherwise: its name where /proc/cpuinfo has none."""
    flags = set(" ".join(re.findall(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo, re.M)[:1]).split())
    model = re.search(r"^(?:model name|Hardware|Model)\s*:\s*(.*)$", cpuinfo, re.M)
    return Hardware(
        name=model.group(1).strip() if model else otherwise,
        machine=machine,
        features=tuple(
            name for name, spellings in FEATURES.items() if flags.intersection(spellings)
        ),
        cores=cores,
    )


def saturates(machine: Hardware) -> bool:
    """Whether 8-bit weights overflow: x86 without VNNI adds two products in 16 bits."""
    return not machine.is_arm and not VNNI & set(machine.features)


def usable_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
