"""An interval holds the median of another run, and is no wider than it must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecls.bench import intervals, medians
from edgecls.bench.samples import Samples

Sampled, Drawn = Callable[..., Samples], Callable[..., Any]


def test_the_medians_are_of_each_round_of_each_launch(sampled: Sampled) -> None:
    given = [[3.0, 1.0], [2.0, 4.0]]
    found = medians.of_rounds(sampled(given))
    assert list(found) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(found.values()) == pytest.approx([3.0, 1.0, 2.0, 4.0])
    assert [list(each) for each in medians.by_launch(found)] == [[3.0, 1.0], [2.0, 4.0]]
    assert medians.of_rounds(Samples()) == {}


def interval(sampled: Sampled, given: Any, seed: int = 0) -> tuple[float, float, float]:
    """(p50, low, high)"""
    p50 = float(np.median(given))
    found = intervals.of_p50(p50, medians.of_rounds(sampled(given)), seed)
    assert found is not None
    return (p50, *found)


@pytest.mark.parametrize(("launch_sd", "round_sd"), [(0.003, 0.002), (0.03, 0.01), (0.01, 0.03)])
def test_it_covers_the_medians_of_other_runs(
    sampled: Sampled, drawn: Drawn, launch_sd: float, round_sd: float
) -> None:
    held, asked = 0, 0
    for number in range(60):
        _, low, high = interval(sampled, drawn(1000 * number, launch_sd, round_sd))
        others = [
            float(np.median(drawn(1000 * number + k, launch_sd, round_sd))) for k in range(1, 10)
        ]
        held += sum(low <= other <= high for other in others)
        asked += len(others)
    assert held >= 0.95 * asked


def test_a_steady_machine_gives_a_narrow_one(sampled: Sampled, drawn: Drawn) -> None:
    p50, low, high = interval(sampled, drawn(1, 0.003, 0.002))
    assert low < p50 < high and (high - low) / p50 < 0.05
    # Not even launches that are all alike promise that the next run is.
    p50, low, high = interval(sampled, [[0.4] * 4] * 5)
    assert (high - low) / p50 > 2 * intervals.BETWEEN


def test_launches_are_the_observations_not_their_rounds(sampled: Sampled) -> None:
    """Ten times as many rounds tell nothing of launches that were not seen."""
    few = interval(sampled, [[1.0] * 4, [1.05] * 4, [1.1] * 4])
    many = interval(sampled, [[1.0] * 40, [1.05] * 40, [1.1] * 40])
    assert many[2] - many[1] == pytest.approx(few[2] - few[1], rel=0.1)


def test_few_launches_are_told_by_a_wide_one(sampled: Sampled, drawn: Drawn) -> None:
    widths = []
    for launches in (2, 5, 12):
        found = [interval(sampled, drawn(n, 0.01, 0.005, launches)) for n in range(12)]
        widths.append(float(np.median([(high - low) / p50 for p50, low, high in found])))
    assert widths == sorted(widths, reverse=True)


def test_it_is_the_same_for_the_same_seed_and_rounds_may_be_missing(sampled: Sampled) -> None:
    given = [[1.0, 1.02, 1.01], [1.03], [0.99, 1.0]]
    times = medians.of_rounds(sampled(given))
    assert intervals.of_p50(1.0, times, 3) == intervals.of_p50(1.0, times, 3)


def test_one_launch_has_none(sampled: Sampled) -> None:
    assert intervals.of_p50(1.0, medians.of_rounds(sampled([[1.0, 1.1, 1.2]]))) is None
    assert intervals.of_p50(1.0, {}) is None
