"""Percentiles, their bounds, intervals and tests, against values that others published."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from edgecls.device import stats
from edgecls.device.measure import summary


@pytest.mark.parametrize(
    ("percent", "expected"), [(5, 15), (30, 20), (40, 20), (50, 35), (90, 50), (100, 50)]
)
def test_percentiles_are_of_the_nearest_rank(percent: float, expected: float) -> None:
    # The worked example of https://en.wikipedia.org/wiki/Percentile
    assert stats.percentile([15, 20, 35, 40, 50], percent) == expected


def test_a_percentile_is_always_one_of_the_samples() -> None:
    for count in range(1, 200):
        for percent in (50, 90, 99):
            below = stats.percentile(list(range(1, count + 1)), percent)
            assert below - 1 < count * percent / 100 <= below
    with pytest.raises(ValueError, match="no samples"):
        stats.percentile([], 50)


def bound(count: int, percent: int) -> float:
    """The rank, from 1, of the bound among `count` samples."""
    return stats.percentile_upper_bound(list(range(1, count + 1)), percent)


@pytest.mark.parametrize(("percent", "first"), [(50, 7), (90, 44), (99, 459)])
def test_a_bound_exists_as_soon_as_the_slowest_query_is_one(percent: int, first: int) -> None:
    # P(all of n samples are below the quantile p) = p^n <= 0.01
    assert (percent / 100) ** first <= 0.01 < (percent / 100) ** (first - 1)
    assert bound(first - 1, percent) == math.inf
    assert bound(first, percent) == first


@pytest.mark.parametrize("percent", stats.MIN_QUERIES)
def test_with_the_least_queries_one_outlier_does_not_make_the_bound(percent: int) -> None:
    least = stats.MIN_QUERIES[percent]
    assert bound(least - 1, percent) == least - 1
    assert bound(least, percent) == least - 1
    assert all(bound(count, percent) < count for count in range(least, 2 * least, 7))


@pytest.mark.parametrize("percent", [50, 90, 99])
def test_a_bound_of_many_queries_is_found_near_the_percentile(
    monkeypatch: pytest.MonkeyPatch, percent: int
) -> None:
    """It is the one that a sum over all of them gives."""
    added = list[int]()
    binomial = stats._binomial

    def counted(n: int, k: int, p: float) -> float:
        added.append(k)
        return binomial(n, k, p)

    count, p = 20_000, percent / 100
    total, rank = 0.0, 0
    while total < 0.99:
        total += binomial(count, rank, p)
        rank += 1
    monkeypatch.setattr(stats, "_binomial", counted)
    assert bound(count, percent) == rank
    assert len(added) < 16 * math.sqrt(count * p * (1 - p))


@pytest.mark.parametrize("percent", [50, 90, 99])
def test_a_bound_covers_the_quantile_with_its_confidence_and_no_more(percent: int) -> None:
    for count in (700, 1400):
        rank = int(bound(count, percent))
        p = percent / 100

        def below(rank: int, count: int = count, p: float = p) -> float:
            """P(Binomial(count, p) < rank), in exact integers."""
            ways = [
                math.comb(count, k) * percent**k * (100 - percent) ** (count - k)
                for k in range(rank, count + 1)
            ]
            return 1 - sum(ways) / 100**count

        assert below(rank) >= 0.99 > below(rank - 1)
        assert rank >= stats.percentile(list(range(1, count + 1)), percent)


def test_the_summary_says_where_too_few_queries_give_no_bound() -> None:
    few = summary([float(n) for n in range(20, 0, -1)])
    assert (few["num_queries"], few["latency_p50_ms"], few["latency_p90_ms"]) == (20, 10, 18)
    assert few["latency_p50_ms_bound"] == 16
    assert few["latency_p90_ms_bound"] is few["latency_p99_ms_bound"] is None
    assert few["throughput_per_s"] == pytest.approx(20 / 0.210)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (no continuity correction)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert stats.wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_stays_within_0_and_1_and_holds_the_share() -> None:
    assert stats.wilson(0, 0) == (0.0, 1.0)
    for trials in (1, 7, 360, 10_000):
        for successes in (0, 1, trials // 2, trials):
            low, high = stats.wilson(successes, trials)
            assert 0 <= low <= successes / trials <= high <= 1
        assert stats.wilson(0, trials)[0] == 0
        assert stats.wilson(trials, trials)[1] == 1


@pytest.mark.parametrize(
    ("first", "second", "p_value"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 1, 1.0),
        (0, 6, 2 / 2**6),
        (1, 9, 2 * (1 + 10) / 2**10),
        (59, 6, 4.434e-12),  # R: binom.test(6, 65)
    ],
)
def test_mcnemar_is_exact_and_symmetric(first: int, second: int, p_value: float) -> None:
    assert stats.mcnemar(first, second) == pytest.approx(p_value, rel=1e-3)
    assert stats.mcnemar(second, first) == stats.mcnemar(first, second)


def test_mcnemar_holds_for_many_images() -> None:
    assert stats.mcnemar(5000, 5000) == 1.0
    # Beyond some thousand it is near the normal approximation.
    z = 200 / math.sqrt(10_000)
    assert stats.mcnemar(4900, 5100) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.05)
    assert 0 <= stats.mcnemar(0, 10_000) < 1e-300


def test_holm_corrects_in_the_order_given() -> None:
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    assert stats.holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx(
        [0.05, 0.08, 0.09, 0.09, 0.09]
    )
    assert stats.holm([0.04, 0.001, 0.03]) == pytest.approx((0.06, 0.003, 0.06))
    assert stats.holm([0.9, 0.8]) == (1.0, 1.0)
    assert stats.holm([]) == ()


def test_holm_never_turns_the_order_round() -> None:
    values = [0.2, 0.01, 0.5, 0.04, 0.03, 0.01]
    corrected = dict(zip(values, stats.holm(values), strict=True))
    assert all(corrected[a] <= corrected[b] for a, b in pairwise(sorted(values)))
    assert all(corrected[value] >= value for value in values)
