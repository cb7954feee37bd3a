"""The machines that a model can be converted for by name, beside the one at hand.

A profile is the least that machines of its kind have in common: what it promises decides the int8
scheme, so a profile that promised more would saturate or crawl on some of them.
"""

from __future__ import annotations

from edgecls.core import Hardware
from edgecls.errors import unknown_name
from edgecls.hardware.machine import here

HERE = "here"
_ARM = ("neon", "dotprod")
_X86_64, _AARCH64 = "x86_64", "aarch64"

_ALL = (
    Hardware("64-bit Arm CPU with dot product (ARMv8.2)", _AARCH64, _ARM, 0, "arm64"),
    # Either of the two forms of VNNI; each serves the same kernels.
    Hardware("x86-64 CPU with AVX2 and VNNI", _X86_64, ("avx2", "avx_vnni"), 0, "x86-vnni"),
    Hardware("x86-64 CPU with AVX2, without VNNI", _X86_64, ("avx2",), 0, "x86-avx2"),
    Hardware(
        "NVIDIA Jetson Orin",
        _AARCH64,
        _ARM,
        0,
        "jetson-orin",
        accelerator="NVIDIA Ampere GPU",
        compute_capabilities=("8.7",),
        versions={"tensorrt": ">=10.3", "cuda": ">=12.6", "python": ">=3.10"},
    ),
    Hardware(
        "NVIDIA Jetson Thor",
        _AARCH64,
        (*_ARM, "i8mm"),
        0,
        "jetson-thor",
        accelerator="NVIDIA Blackwell GPU",
        compute_capabilities=("11.0",),
        versions={"tensorrt": ">=10.13", "cuda": ">=13.0", "python": ">=3.12"},
    ),
    Hardware(
        "PC with an NVIDIA RTX GPU",
        _X86_64,
        ("avx2",),
        0,
        "rtx",
        accelerator="NVIDIA RTX GPU",
        compute_capabilities=("7.5", "8.0", "8.6", "8.9", "12.0", "12.1"),
    ),
)
PROFILES = {machine.profile: machine for machine in _ALL}
NAMES = (HERE, *PROFILES)


def profile(name: str) -> Hardware:
    """The machine called `name`. Raises UsageError."""
    if name == HERE:
        return here()
    if name not in PROFILES:
        raise unknown_name("machine", name, NAMES)
    return PROFILES[name]


def chosen(asked: str | None, own: str | None = None) -> Hardware:
    """What a model is converted for: as asked for, else the target's `own` kind, else this machine.

    Where this machine is of the target's own kind, it is this machine. Raises UsageError.
    """
    if asked is not None:
        return profile(asked)
    if own is None:
        return here()
    kind = profile(own)
    at_hand = here()
    fits = kind.machine == at_hand.machine and set(kind.features) <= set(at_hand.features)
    return at_hand if fits and not kind.accelerator else kind


def plainly(machine: Hardware) -> str:
    """A machine in a few words."""
    if machine.profile == HERE:
        return f"this machine ({machine.name})"
    parts = [machine.name]
    if machine.compute_capabilities:
        parts.append(f"compute capability {', '.join(machine.compute_capabilities)}")
    return f"{machine.profile} ({'; '.join(parts)})"
