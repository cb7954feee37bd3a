"""What machine a device is, by a script of ``sh`` that every Linux and Android runs."""

from __future__ import annotations

import re
from typing import Any

from edgecls import hardware
from edgecls.remote.shell import Shell, run

_MARK = "edgecls-section "
_PARTS = {
    "machine": "uname -m",
    "system": "uname -sr",
    "cores": "nproc 2>/dev/null || grep -c ^processor /proc/cpuinfo",
    "cpuinfo": "cat /proc/cpuinfo 2>/dev/null",
    # A board tells its name in the device tree, with a zero at its end, an Android in its settings.
    "model": "tr -d '\\000' </proc/device-tree/model 2>/dev/null || "
    "echo $(getprop ro.product.manufacturer 2>/dev/null) $(getprop ro.product.model 2>/dev/null)",
    "release": "getprop ro.build.version.release 2>/dev/null",
    "python": "python3 -V 2>/dev/null",
    "l4t": "head -n 1 /etc/nv_tegra_release 2>/dev/null",
}
SCRIPT = "\n".join(f"echo '{_MARK}{name}'\n{{ {command}; }}" for name, command in _PARTS.items())


def environment(shell: Shell) -> dict[str, Any]:
    """What stands beside a figure that was measured there. Raises RunnerError, LostError."""
    return read(run(shell, f"{SCRIPT}\ntrue").decode(errors="replace"))


def read(text: str) -> dict[str, Any]:
    """What `SCRIPT` printed."""
    parts = dict.fromkeys(_PARTS, "")
    for block in text.split(_MARK)[1:]:
        name, _, content = block.partition("\n")
        parts[name.strip()] = content.strip()
    machine = parts["machine"]
    cores = re.match(r"\d+", parts["cores"])
    count = int(cores.group()) if cores else 1
    found = hardware.parsed(parts["cpuinfo"], machine, count, parts["model"] or machine)
    android = f"Android {parts['release']}, " if parts["release"] else ""
    told = {
        "model": parts["model"],
        "cpu": found.name,
        "machine": machine,
        "features": list(found.features),
        "cores": found.cores,
        "system": android + parts["system"],
        "python": parts["python"].removeprefix("Python "),
        "l4t": parts["l4t"].removeprefix("# "),
    }
    return {name: value for name, value in told.items() if value}
