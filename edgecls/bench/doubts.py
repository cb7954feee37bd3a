"""What makes a row's figures doubtful: its flags, of `edgecls.core.FLAGS`.

Each is judged by what was seen while this row was measured, and by nothing that was not told: an
older harness, or a device without ``/proc``, has fewer flags, not more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgecls.bench import slowed
from edgecls.bench.medians import Medians, by_launch, of_rounds
from edgecls.bench.samples import Samples
from edgecls.core import FLAGS

# Of the latency, from the first rounds to the last; and how sure that it is no noise.
DRIFT, DRIFT_P, DRIFT_LAUNCH_P = 0.05, 0.01, 0.05
# Of all cores; cores; tasks that run or wait beside the measured one; of all cores.
MOST_OTHERS, MOST_OTHER_CORES, MOST_RUNNABLE, MOST_STEAL = 0.10, 0.5, 0.5, 0.01
MOST_UNSETTLED = 0.5
# Of a server's queries a second. Arrivals are drawn: in a short round there may be a tenth fewer.
LEAST_ANSWERED = 0.8


def flags(
    samples: Samples, environment: Mapping[str, Any], qps: float | None = None
) -> tuple[str, ...]:
    """In the order of `FLAGS`. environment: of the row, with its conditions. qps: of a server."""
    load = mean_load(samples.load)
    cores = environment.get("cores")
    others = load.get("others", 0.0)
    other_cores = others * cores if isinstance(cores, int) else 0.0
    unsettled = samples.settled.count(False)
    found = {
        "throttled": environment.get("throttled") == "yes",
        "drift": drifts(of_rounds(samples)),
        "co-load": others > MOST_OTHERS
        or other_cores > MOST_OTHER_CORES
        or load.get("runnable", 0.0) > MOST_RUNNABLE,
        "steal": load.get("steal", 0.0) > MOST_STEAL,
        "slowed": slowed.share(samples) > slowed.MOST_SLOWED,
        # A window of a noisy machine misses by chance now and then: most launches must have.
        "unsettled": unsettled > MOST_UNSETTLED * len(samples.settled),
        "overloaded": qps is not None and _answered(samples) < LEAST_ANSWERED * qps,
    }
    return tuple(name for name in FLAGS if found[name])


def _answered(samples: Samples) -> float:
    """Queries a second. Those that arrived in the time asked are all answered, however late."""
    seconds = sum(samples.seconds)
    return len(samples.latency_ms) / seconds if seconds else math.inf


def mean_load(told: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """``others``, ``steal`` and ``runnable``, each over the rounds that told it."""
    found = {}
    for name in ("others", "steal", "runnable"):
        values = [number for each in told if (number := _number(each.get(name))) is not None]
        if values:
            found[name] = sum(values) / len(values)
    return found


def drifts(medians: Medians) -> bool:
    """Whether the latency changed steadily over the rounds of all launches, by more than `DRIFT`.

    The change is Sen's slope (JASA 63, 1968), which one slow round does not bend, times the number
    of steps. That it is no noise is Kendall's test over the rounds; and, because rounds of a launch
    are alike, a t test of the slope over the launches' means, where there are three or more.
    """
    values = np.log(list(medians.values()))
    steps = np.arange(len(values))
    if len(values) < 3 or np.ptp(values) <= math.log1p(DRIFT):
        return False
    from scipy.stats import kendalltau, linregress, theilslopes  # slow to import

    slope = float(theilslopes(values, steps).slope)
    if abs(slope) * (len(values) - 1) <= math.log1p(DRIFT):
        return False
    means = [float(np.log(each).mean()) for each in by_launch(medians)]
    if len(means) > 2 and not linregress(range(len(means)), means).pvalue < DRIFT_LAUNCH_P:
        return False
    return float(kendalltau(steps, values).pvalue) < DRIFT_P


def _number(value: Any) -> float | None:
    """What is a finite number; an older or another harness may tell anything."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
