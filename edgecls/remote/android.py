"""How an Android device tells of itself: dumpsys and sysfs, read as `edgecls.device.conditions`.

Pure functions over what the tools print, and the scripts that print it.
"""

from __future__ import annotations

import re
from typing import Any

from edgecls.device import readings

_MARK = "edgecls-section "
_CPUFREQ = "/sys/devices/system/cpu/cpufreq/policy*"


def _each(pattern: str) -> str:
    """A script that prints ``path=content`` for every file that can be read."""
    return f'for f in {pattern}; do [ -r "$f" ] && echo "$f=$(cat "$f" 2>/dev/null)"; done'


_PARTS = {
    "thermalservice": "dumpsys thermalservice",
    "battery": "dumpsys battery",
    "low_power": "settings get global low_power",
    "clocks": _each(
        f"{_CPUFREQ}/scaling_governor {_CPUFREQ}/scaling_cur_freq {_CPUFREQ}/cpuinfo_max_freq"
    ),
    "zones": _each("/sys/class/thermal/thermal_zone*/type /sys/class/thermal/thermal_zone*/temp"),
}
CONDITIONS = "\n".join(
    [
        *(f"echo '{_MARK}{name}'\n{{ {script}; }} 2>/dev/null" for name, script in _PARTS.items()),
        "true",
    ]
)
# A core's capacity, where the kernel knows it, else the highest clock.
CORES = (
    _each("/sys/devices/system/cpu/cpu[0-9]*/cpu_capacity")
    + "\n"
    + _each("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq")
    + "\ntrue"
)


def conditions(text: str) -> dict[str, Any]:
    """What `CONDITIONS` printed."""
    parts = {
        name.strip(): content
        for name, _, content in (block.partition("\n") for block in text.split(_MARK)[1:])
    }
    return readings.merged(
        [
            thermalservice(parts.get("thermalservice", "")),
            battery(parts.get("battery", "")),
            {"power_mode": "battery saver"} if parts.get("low_power", "").strip() == "1" else {},
            _clocks(_files(parts.get("clocks", ""))),
            _zones(_files(parts.get("zones", ""))),
        ]
    )


def thermalservice(text: str) -> dict[str, Any]:
    """``dumpsys thermalservice``, of Android 10 and later.

    ``Thermal Status: 0`` is none; from 1 (light) on the system slows something down. The sensors of
    ``Current temperatures from HAL`` are of now, those before it are older.
    """
    result: dict[str, Any] = {}
    status = re.search(r"^\s*Thermal Status:\s*(\d+)", text, re.M)
    if status:
        result["throttled"] = int(status.group(1)) > 0
    current = text.partition("Current temperatures from HAL:")[2].partition("Current cooling")[0]
    found = re.findall(r"Temperature\{mValue=(-?[\d.]+),[^}]*mName=([^,}]+)", current or text)
    # A sensor that is not fitted says 0.
    heat = readings.plausible({name: float(value) for value, name in found if float(value) != 0})
    return {**result, "temperatures_c": heat} if heat else result


def battery(text: str) -> dict[str, Any]:
    """``dumpsys battery``: its temperature comes in tenths of a degree."""
    result: dict[str, Any] = {}
    heat = re.search(r"^\s*temperature:\s*(-?\d+)", text, re.M)
    if heat:
        result["temperatures_c"] = {"battery": int(heat.group(1)) / 10}
    level = re.search(r"^\s*level:\s*(\d+)", text, re.M)
    if level:
        result["battery_percent"] = int(level.group(1))
    powered = re.findall(r"^\s*(AC|USB|Wireless|Dock) powered:\s*true", text, re.M)
    if level:
        result["powered_by"] = ", ".join(powered) or "battery"
    return result


def fastest(text: str, threads: int) -> str | None:
    """The mask of ``taskset`` for the fastest cores with room for so many threads.

    text: what `CORES` printed. Cores of one speed are taken together, so that threads do not wait
    for one of their own on a slower core. None where the device does not tell its cores' speeds.
    """
    speeds: dict[str, dict[int, int]] = {"cpu_capacity": {}, "cpuinfo_max_freq": {}}
    for path, value in _files(text).items():
        core, kind = re.search(r"/cpu(\d+)/", path), path.rpartition("/")[2]
        if core and value.isdigit() and kind in speeds:
            speeds[kind][int(core.group(1))] = int(value)
    known = speeds["cpu_capacity"] or speeds["cpuinfo_max_freq"]
    chosen: list[int] = []
    for speed in sorted(set(known.values()), reverse=True):
        chosen += [core for core, own in known.items() if own == speed]
        if len(chosen) >= threads:
            break
    return f"{sum(1 << core for core in chosen):x}" if chosen else None


def _files(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("/"))
    return {path: value.strip() for path, _, value in pairs}


def _clocks(files: dict[str, str]) -> dict[str, Any]:
    def of(name: str) -> list[str]:
        return [files[path] for path in sorted(files) if path.endswith(f"/{name}") and files[path]]

    governors = sorted(set(of("scaling_governor")))
    current = [int(each) / 1e3 for each in of("scaling_cur_freq") if each.isdigit()]
    highest = [int(each) / 1e3 for each in of("cpuinfo_max_freq") if each.isdigit()]
    told = {"governor": ", ".join(governors), "cpu_mhz": current, "cpu_max_mhz": highest}
    return {name: value for name, value in told.items() if value}


def _zones(files: dict[str, str]) -> dict[str, Any]:
    found: dict[str, float] = {}
    for path, value in files.items():
        folder, _, name = path.rpartition("/")
        if name == "temp" and re.fullmatch(r"-?\d+", value):
            kind = files.get(f"{folder}/type") or folder.rpartition("/")[2]
            found[kind] = max(int(value) / 1e3, found.get(kind, -1e9))
    heat = readings.plausible({name: value for name, value in found.items() if value != 0})
    return {"temperatures_c": heat} if heat else {}
