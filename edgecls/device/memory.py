"""The resident memory of this process: now, and at its peak.

Both are None where the system does not tell them.
"""

import sys
from typing import Optional

STATUS = "/proc/self/status"


def resident_bytes() -> Optional[int]:
    """What is resident at this moment; where only the peak is told, the peak up to now."""
    return _from_status("VmRSS:") or _from_usage()


def peak_bytes() -> Optional[int]:
    """The most that was ever resident.

    From the kernel's VmHWM where there is one: ``ru_maxrss`` also counts the process that
    started this one, from before it was replaced.
    """
    return _from_status("VmHWM:") or _from_usage()


def _from_status(name: str) -> Optional[int]:
    try:
        with open(STATUS, encoding="ascii", errors="replace") as stream:
            for line in stream:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    return None


def _from_usage() -> Optional[int]:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
