"""Latency of a row in both runs, launch by launch.

The queries of a process are not independent of each other: where its memory lies and how its
threads are placed stays the same, and differs from launch to launch. So a launch is one
observation, the logarithm of its median, and Welch's t test compares the launches of both runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecls.comparing.reading import Side
from edgecls.comparing.values import Change, Incomparable
from edgecls.core import Measurement
from edgecls.report.making import describe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Of fewer launches a test sees large differences alone; two that happen to be alike make it as sure
# of what is noise.
FEW, FEWEST = 5, 3
# What a machine is and how it was set. Where it differs, a latency says nothing of the model.
HARDWARE = (
    *("model", "cpu", "machine", "cores", "features", "l4t"),
    *("governor", "power_mode", "powered_by", "cpu_mask"),
)
# The GPU in a provider's name.
_GPU = re.compile(r"cuda: (.*), sm_\d+")
# What may have made a model slower, and so is no reason not to test it.
SOFTWARE = ("runtime", "provider", "layout", "compute_units", "system", "python")
# How long and how often: more of it makes a figure surer, and no other one. A longer mode is none
# of these, for a device gets warm in it; of a row that stopped early it is the mode that was asked.
AMOUNTS = frozenset(
    {
        *("launches", "rounds", "queries", "seconds", "seed"),
        *("early_stop", "stopped_after_launches", "asked_mode"),
    }
)


@dataclass(frozen=True)
class Welch:
    """The difference of two means with its 95 % interval and its two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float


def change(old: Side, new: Side, before: Measurement, after: Measurement) -> Change:
    """The change with its p-value, not yet corrected; with the reason where it is not tested.

    Raises EdgeclsError for latencies that are damaged.
    """
    import numpy as np

    notes = _notes(old, new, before, after)
    try:
        _alike(before, after)
        first, second = np.log(old.launches(before)), np.log(new.launches(after))
        _enough(old.name, first)
        _enough(new.name, second)
    except Incomparable as error:
        one, other = _p50(before), _p50(after)
        value = other / one - 1 if one and other else None
        return Change("latency", one, other, value, reason=error.cause, notes=notes)
    found = welch(first, second)
    if min(len(first), len(second)) < FEW:
        counts = f"{len(first)} process launches in {old.name} and {len(second)} in {new.name}"
        notes += (f"{counts}: {FEW} of each see smaller differences",)
    return Change(
        "latency",
        math.exp(float(first.mean())),
        math.exp(float(second.mean())),
        math.expm1(found.difference),
        math.expm1(found.low),
        math.expm1(found.high),
        found.p_value,
        notes=notes,
    )


def welch(old: NDArray[np.float64], new: NDArray[np.float64]) -> Welch:
    """Welch's t test of the mean of `new` against that of `old`, of at least two values each.

    Welch, Biometrika 34 (1947): the variances may differ, as where a machine was busier once.
    """
    from scipy.special import stdtr, stdtrit

    difference = float(new.mean() - old.mean())
    parts = [float(each.var(ddof=1)) / len(each) for each in (old, new)]
    variance = sum(parts)
    if variance == 0:  # a coarse clock: all launches of a run took the same time
        return Welch(difference, difference, difference, 1.0 if difference == 0 else 0.0)
    freedom = variance**2 / sum(
        part**2 / (len(each) - 1) for part, each in zip(parts, (old, new), strict=True)
    )
    error = math.sqrt(variance)
    half = float(stdtrit(freedom, 0.975)) * error
    p_value = 2 * float(stdtr(freedom, -abs(difference) / error))
    return Welch(difference, difference - half, difference + half, min(1.0, p_value))


def _p50(row: Measurement) -> float | None:
    """A figure above 0, or None."""
    return row.latency_p50_ms or None


def _enough(name: str, launches: NDArray[np.float64]) -> None:
    count = len(launches)
    if count < FEWEST:
        told = "one process launch" if count == 1 else f"{count} process launches"
        raise Incomparable(f"{name} has {told}, and a test needs at least {FEWEST}")


def _alike(before: Measurement, after: Measurement) -> None:
    """Raises Incomparable where the figures are of another machine, or measured in another way."""
    machine = _differing(before.environment, after.environment, HARDWARE)
    chips = [_GPU.search(str(row.environment.get("provider"))) for row in (before, after)]
    # Where one of them has none, it fell back to the CPU: that is to be seen.
    if not machine and all(chips) and len({chip[1] for chip in chips if chip}) > 1:
        machine = _differing(before.environment, after.environment, ("provider",))
    if machine:
        raise Incomparable(f"another machine, or set otherwise: {machine}")
    first, second = _way(before), _way(after)
    names = tuple(name for name in {**first, **second} if name not in AMOUNTS)
    way = _differing(first, second, names)
    if way:
        raise Incomparable(f"measured in another way: {way}")


def _way(row: Measurement) -> dict[str, Any]:
    asked_mode = row.protocol.get("asked_mode")
    own = {"threads": row.threads, "batch_size": row.batch_size, "qps": row.qps, "mode": asked_mode}
    return {**row.protocol, **{name: value for name, value in own.items() if value is not None}}


def _notes(old: Side, new: Side, before: Measurement, after: Measurement) -> tuple[str, ...]:
    notes = []
    software = _differing(before.environment, after.environment, SOFTWARE)
    if software:
        notes.append(f"other software: {software}")
    for side, row in ((old, before), (new, after)):
        if row.flags:
            notes.append(f"doubtful in {side.name}: {', '.join(row.flags)}")
    return tuple(notes)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """What differs, as ``threads 1 → 4, …``; empty where nothing does."""
    return ", ".join(
        f"{name} {describe(old.get(name))} → {describe(new.get(name))}"
        for name in names
        if old.get(name) != new.get(name)
    )
