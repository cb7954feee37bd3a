"""Whether this device's CPU computes int8 as it was meant: x86 without VNNI does not.

Its VPMADDUBSW adds two products in 16 bits, which weights of 8 bits overflow. A bundle that was
converted for a newer CPU then answers wrongly and quickly.
"""

import re
from typing import Any, Dict, Optional

CPUINFO = "/proc/cpuinfo"
# As the kernel spells them.
VNNI = {"avx512_vnni", "avx512vnni", "avx_vnni", "amx_int8"}


def warning(scheme: Optional[Dict[str, Any]], path: str = CPUINFO) -> str:
    """What is wrong with running `scheme` of a meta.json on this CPU; empty for nothing."""
    if not scheme or scheme.get("reduce_range"):
        return ""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            found = re.search(r"^flags\s*:(.*)$", stream.read(), re.M)
    except OSError:
        return ""  # not Linux: nobody tells
    # Arm's kernel writes "Features".
    if found is None or VNNI & set(found.group(1).split()):
        return ""
    return (
        "this CPU has no VNNI: the products of 8-bit weights overflow and the answers are wrong; "
        "export it again with --for x86-avx2"
    )
