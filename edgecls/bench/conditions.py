"""How a host was doing over a whole measurement, from what it told now and then.

Whether it was throttled is ``yes``, ``no``, or ``unknown`` where it tells nothing of it: never a
guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

NAMES = ("power_mode", "governor", "powered_by")
CLOCKS = ("cpu_mhz", "gpu_mhz")


def summary(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of a row's environment. told: as `edgecls.device.conditions`, in their order."""
    if not any(told):
        return {}
    found: dict[str, Any] = {}
    for name in NAMES:
        values = dict.fromkeys(str(each[name]) for each in told if name in each)
        if values:
            found[name] = " → ".join(values)
    for name in CLOCKS:
        seen = [value for each in told for value in _numbers(each.get(name))]
        if seen:
            found[f"{name}_seen"] = [min(seen), max(seen)]
        highest = [value for each in told for value in _numbers(each.get(_limit(name)))]
        if highest:
            found[_limit(name)] = max(highest)
    heat = [value for each in told for value in dict(each.get("temperatures_c", {})).values()]
    if heat:
        found["max_temperature_c"] = max(heat)
    power: dict[str, int] = {}
    for each in told:
        for rail, value in dict(each.get("power_mw", {})).items():
            power[rail] = max(value, power.get(rail, value))
    if power:
        found["max_power_mw"] = power
    return {**found, "throttled": throttled(told)}


def throttled(told: Sequence[Mapping[str, Any]]) -> str:
    """Whether the clock was held down while it was measured.

    By what a host says of the moment, by a counter of events that has grown, or by a note of the
    past that was not there before.
    """
    now = [bool(each["throttled"]) for each in told if "throttled" in each]
    counts = [int(each["throttle_events"]) for each in told if "throttle_events" in each]
    past = [bool(each["throttled_since_boot"]) for each in told if "throttled_since_boot" in each]
    rises = [after > before for values in (counts, past) for before, after in pairwise(values)]
    if any(now) or any(rises):
        return "yes"
    return "no" if now or len(counts) > 1 else "unknown"


def _limit(clock: str) -> str:
    return clock.replace("_mhz", "_max_mhz")


def _numbers(value: Any) -> Iterable[float]:
    """Of one clock, or of several."""
    if value is None:
        return ()
    return [float(each) for each in value] if isinstance(value, (list, tuple)) else [float(value)]
