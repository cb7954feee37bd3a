"""Whether a row is really slower than the quickest one of its device.

Rows are measured in turn, so that a round of one has a round of every other one beside it: what
the machine did at that moment is in both, and cancels out of their ratio. The logarithms of these
ratios are averaged over the rounds of a launch, because those share two processes, and launches
are the observations of a paired t test: two-sided, L - 1 degrees of freedom, corrected for the
number of rows by Holm. An exact test by signs could not be significant: of five launches its least
p is 1/16.

The quickest row is found by the same figures that it is compared by, so that of rows that are
alike one looks a little quicker than it is; the intervals of `edgecls.bench.intervals` do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgecls.bench import medians
from edgecls.bench.medians import Medians
from edgecls.bench.samples import Samples
from edgecls.core import Measurement
from edgecls.device import stats


def with_latency_p_values(
    rows: Sequence[Measurement], samples: Sequence[Samples]
) -> list[Measurement]:
    """`rows` with the p-value of each one's difference from the quickest row on its device.

    None for the quickest row itself, and where fewer than two launches have both. samples: of each
    row, measured together.
    """
    found = list(rows)
    for device in dict.fromkeys(row.device for row in rows):
        measured = [i for i, row in enumerate(rows) if row.device == device and row.latency_p50_ms]
        if not measured:
            continue
        quickest = min(measured, key=lambda i: float(rows[i].latency_p50_ms or math.inf))
        base = medians.of_rounds(samples[quickest])
        p_values = {
            i: p_value(medians.of_rounds(samples[i]), base) for i in measured if i != quickest
        }
        told = {i: value for i, value in p_values.items() if value is not None}
        for i, corrected in zip(told, stats.holm(list(told.values())), strict=True):
            found[i] = rows[i].with_(latency_p_value=corrected)
    return found


def p_value(row: Medians, other: Medians) -> float | None:
    """Of the hypothesis that two rows are equally quick; None from fewer than two launches."""
    ratios = {at: math.log(row[at] / other[at]) for at in row if at in other}
    means = np.array([each.mean() for each in medians.by_launch(ratios)])
    if len(means) < 2:
        return None
    spread = float(means.std(ddof=1)) / math.sqrt(len(means))
    if spread == 0:
        return 1.0 if means[0] == 0 else 0.0
    from scipy.stats import t  # slow to import

    return float(2 * t.sf(abs(means.mean()) / spread, len(means) - 1))
