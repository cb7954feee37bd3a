"""What the tools of a device print about its power, clocks and throttling, read as numbers.

Pure functions over text, each with an example of what it reads. What a text does not hold is
absent from the result.
"""

import re
from typing import Any, Dict, List, Optional

# Bits of `vcgencmd get_throttled`: the frequency is capped, it is throttled, it is too warm; from
# bit 16 on the same since the last boot.
_PI_NOW, _PI_SINCE_BOOT = 0xE, 0xE0000
# The rail of a whole Jetson, on those that measure it.
_FEEDS_ALL = ("VDD_IN", "POM_5V_IN")
# Sensors that always tell the same: a Tegra's PMIC says 100 °C, whatever it is.
_DUMMY = re.compile(r"pmic", re.IGNORECASE)
COOLS_BY_SLOWING = re.compile(r"cpufreq|processor|gpu|devfreq|ga10b|gv11b|gp10b|throttle", re.I)


def nvpmodel(text: str) -> Dict[str, Any]:
    """The power mode of a Jetson, by ``nvpmodel -q``: ``NV Power Mode: MAXN``."""
    found = re.search(r"NV Power Mode:\s*(\S.*?)\s*$", text, re.M)
    return {"power_mode": found.group(1)} if found else {}


def jetson_clocks(text: str) -> Dict[str, Any]:
    """Clocks of the GPU and the memory of a Jetson, by ``jetson_clocks --show``.

    ``GPU MinFreq=306000000 MaxFreq=1300500000 CurrentFreq=306000000``
    """
    result: Dict[str, Any] = {}
    for name in ("GPU", "EMC"):
        pattern = r"^{} MinFreq=(\d+) MaxFreq=(\d+) CurrentFreq=(\d+)".format(name)
        found = re.search(pattern, text, re.M)
        if found:
            low, high, current = (int(each) / 1e6 for each in found.groups())
            result[name.lower() + "_mhz"], result[name.lower() + "_max_mhz"] = current, high
            result[name.lower() + "_clock_is_fixed"] = low == high
    return result


def tegrastats(line: str) -> Dict[str, Any]:
    """A line of ``tegrastats``: the GPU's clock, temperatures, and the power of each rail.

    ``… GR3D_FREQ 0%@[510] … GPU@37.5C PMIC@50C VDD_IN 5079mW/5079mW …``; older ones leave out the
    brackets and ``mW``, and a rail's second number is its average.
    """
    result: Dict[str, Any] = {}
    gpu = re.search(r"GR3D_FREQ \d+%@\[?([\d,]+)\]?", line)
    if gpu:
        result["gpu_mhz"] = float(max(int(each) for each in gpu.group(1).split(",") if each))
    heat = {
        name: float(value)
        for name, value in re.findall(r"(?<![\w@])([A-Za-z]\w*)@(-?\d+(?:\.\d+)?)C", line)
    }
    if plausible(heat):
        result["temperatures_c"] = plausible(heat)
    rails = re.findall(
        r"\b((?:VDD|VIN|POM|CPU|GPU|SOC|CV|SYS)[A-Z0-9_]*) (\d+)(?:mW)?/\d+(?:mW)?", line
    )
    if rails:
        result["power_mw"] = {name: int(value) for name, value in rails}
    return result


def total_watts(line: str) -> Optional[float]:
    """The whole module's power by a line of ``tegrastats``; None where it tells no rail.

    Of the rail that feeds all others, where there is one, else of all of them together.
    """
    rails = tegrastats(line).get("power_mw", {})
    for name in _FEEDS_ALL:
        if name in rails:
            return float(rails[name]) / 1e3
    return sum(rails.values()) / 1e3 if rails else None


def get_throttled(text: str) -> Dict[str, Any]:
    """A Raspberry Pi's ``vcgencmd get_throttled``: ``throttled=0x50005``."""
    found = re.search(r"throttled=(0x[0-9a-fA-F]+)", text)
    if not found:
        return {}
    bits = int(found.group(1), 16)
    return {
        "throttled": bool(bits & _PI_NOW),
        "throttled_since_boot": bool(bits & _PI_SINCE_BOOT),
        "under_voltage": bool(bits & 0x1),
    }


def plausible(temperatures_c: Dict[str, float]) -> Dict[str, float]:
    """Those of real sensors: one without power says -256 °C, and some always say the same."""
    return {
        name: value
        for name, value in temperatures_c.items()
        if -50 < value < 200 and not _DUMMY.match(name)
    }


def cooling(states: Dict[str, int]) -> Dict[str, Any]:
    """Whether a processor is slowed down to cool it. states: of the kernel's cooling devices."""
    slowing = [state for kind, state in states.items() if COOLS_BY_SLOWING.search(kind)]
    return {"throttled": any(state > 0 for state in slowing)} if slowing else {}


def merged(parts: List[Dict[str, Any]]) -> Dict[str, Any]:
    """All of them in one: a later one adds what is new, and one that throttles is enough."""
    result: Dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            if isinstance(value, dict):
                result[name] = dict(value, **result.get(name, {}))
            elif name == "throttled":
                result[name] = bool(value or result.get(name, False))
            else:
                result.setdefault(name, value)
    return result
