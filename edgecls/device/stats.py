"""Percentiles, their distribution-free bounds, and intervals of proportions.

Latency samples are neither normal nor free of outliers: percentiles are order statistics and so
are their bounds (MLPerf Inference's early stopping uses the same argument). No sample is dropped.
"""

import math
from typing import Sequence, Tuple

# From how many queries on the 0.99-confidence upper bound of a percentile is below the slowest
# query, so that one outlier cannot make it. These are MLPerf's counts for p90 and p99.
MIN_QUERIES = {50: 11, 90: 64, 99: 662}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of an ascending sequence; ``percent`` in (0, 100]."""
    if not ordered:
        raise ValueError("no samples")
    rank = max(1, math.ceil(len(ordered) * percent / 100.0))
    return float(ordered[rank - 1])


def percentile_upper_bound(
    ordered: Sequence[float], percent: float, confidence: float = 0.99
) -> float:
    """The smallest order statistic that bounds the percentile from above with `confidence`.

    The count of samples below the true quantile is binomial, so the k-th smallest sample is an
    upper bound as soon as ``P(Binomial(n, p) < k) >= confidence``. ``inf`` where n is too small.
    """
    count, p = len(ordered), percent / 100.0
    total = 0.0
    # Below 12 standard deviations of the mean there is nothing to add.
    first = max(0, math.floor(count * p - 12 * math.sqrt(count * p * (1 - p))))
    for k in range(first, count + 1):
        if total >= confidence and k >= 1:
            return float(ordered[k - 1])
        total += _binomial(count, k, p)
    return math.inf


def wilson(successes: int, trials: int, z: float = 1.959963984540054) -> Tuple[float, float]:
    """Wilson's score interval of a proportion (default 95 %); (0, 1) for no trials.

    Wilson, JASA 22 (1927): unlike the normal interval it holds near 0 and 1.
    """
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, z * z
    centre = share + z2 / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    low = (centre - spread) / (1 + z2 / trials)
    high = (centre + spread) / (1 + z2 / trials)
    # At the ends the bound is the end itself, which rounding would miss by an ulp.
    return (0.0 if successes == 0 else max(0.0, low)), (
        1.0 if successes == trials else min(1.0, high)
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's paired test.

    only_first, only_second: how many images exactly one of two models got right.
    """
    discordant = only_first + only_second
    if discordant == 0:
        return 1.0
    tail = sum(_binomial(discordant, k, 0.5) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2.0 * tail)


def holm(p_values: Sequence[float]) -> Tuple[float, ...]:
    """p-values corrected for their number (Holm, 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = running
    return tuple(corrected)


def _binomial(n: int, k: int, p: float) -> float:
    """P(X = k) for X ~ Binomial(n, p), by logarithms so that a large n does not overflow."""
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
