"""The machine at hand, the machines that a model is converted for, and what is installed."""

from edgecls.hardware.machine import environment, here, parsed, saturates, usable_cores
from edgecls.hardware.packages import package_version, versions
from edgecls.hardware.profiles import HERE, NAMES, PROFILES, chosen, plainly, profile

__all__ = [
    "HERE",
    "NAMES",
    "PROFILES",
    "chosen",
    "environment",
    "here",
    "package_version",
    "parsed",
    "plainly",
    "profile",
    "saturates",
    "usable_cores",
    "versions",
]
