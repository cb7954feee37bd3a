"""Where the median of another measurement of the same kind is expected.

A row's p50 is printed so that others can compare with it: a later measurement of the same bundle
on the same machine, by the same protocol. Both medians vary, so the interval is one of prediction,
not of confidence: it bounds the *difference* of two such runs.

Derivation. Of logarithms of latency, let a run of L launches have the median m, and let M be its
distribution over runs. Another run's m' is drawn from M too, so d = m' - m has the variance
2 Var(M), whatever M is. M is estimated by the bootstrap (Efron & Tibshirani 1993, chapter 8): L
launches are drawn with replacement, and in each its rounds, because another launch would have had
other rounds as well; the median of their medians is one draw of M. Two independent draws give one
of d, and the 95 % quantile q of its absolute value the interval m ± c q.

Three things a bootstrap over few launches misses:

- its variance is that of a population of L launches, too small by (L - 1)/L;
- it knows the spread as if exactly, where L launches estimate it with L - 1 degrees of freedom:
  Student's quantile belongs where it has the normal one. Hence
  c = sqrt(L / (L - 1)) · t(0.975, L - 1) / z(0.975), which is 1.58 for five launches;
- what is the same for all launches of a run, and other in the next one. The clock and the
  neighbours of a machine change over minutes. No single run can see that; it is taken as `BETWEEN`
  of the latency, one standard deviation, and added in square.

One launch has no spread, and no interval.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgecls.bench.medians import Medians, by_launch

LEVEL, DRAWS = 0.95, 4000
BETWEEN = 0.004


def of_p50(p50_ms: float, medians: Medians, seed: int = 0) -> tuple[float, float] | None:
    """(low, high) in milliseconds around a printed p50; None from fewer than two launches."""
    launches = [np.log(each) for each in by_launch(medians)]
    if len(launches) < 2:
        return None
    rng = np.random.default_rng(seed)
    difference = np.abs(_draws(launches, rng) - _draws(launches, rng))
    seen = _correction(len(launches)) * float(np.quantile(difference, LEVEL))
    unseen = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(2) * BETWEEN
    half = math.hypot(seen, unseen)
    return p50_ms * math.exp(-half), p50_ms * math.exp(half)


def _draws(launches: list[NDArray[np.float64]], rng: np.random.Generator) -> NDArray[np.float64]:
    """Medians of runs of as many launches, each of as many rounds as the longest has."""
    count, rounds = len(launches), max(len(each) for each in launches)
    table = np.zeros((count, rounds))
    for row, each in zip(table, launches, strict=True):
        row[: len(each)] = each
    lengths = np.array([len(each) for each in launches])
    chosen = rng.integers(count, size=(DRAWS, count))
    within = rng.random((DRAWS, count, rounds)) * lengths[chosen][:, :, None]
    drawn = table[chosen[:, :, None], within.astype(np.int64)]
    return np.asarray(np.median(drawn.reshape(DRAWS, -1), axis=1), dtype=np.float64)


def _correction(launches: int) -> float:
    from scipy.stats import t  # slow to import, and of no use before anything is measured

    student = float(t.ppf((1 + LEVEL) / 2, launches - 1))
    normal = NormalDist().inv_cdf((1 + LEVEL) / 2)
    return math.sqrt(launches / (launches - 1)) * student / normal
