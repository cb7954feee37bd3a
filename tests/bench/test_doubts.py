"""What makes a row doubtful is seen, and nothing is said where nothing was told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecls.bench.doubts import drifts, flags, mean_load
from edgecls.bench.medians import of_rounds
from edgecls.bench.samples import Samples

Sampled, Drawn = Callable[..., Samples], Callable[..., Any]
TWO_CORES = {"cores": 2, "throttled": "no"}


def load(others: float, steal: float = 0.0, runnable: float = 0.0) -> dict[str, float]:
    return {"others": others, "steal": steal, "runnable": runnable}


def test_a_machine_at_rest_has_no_flag(sampled: Sampled, drawn: Drawn) -> None:
    at_rest = sampled(drawn(1, 0.01, 0.01), load=[load(0.02)] * 20, settled=[True] * 5)
    assert flags(at_rest, TWO_CORES) == ()


@pytest.mark.parametrize(
    ("told", "cores", "expected"),
    [
        ([load(0.5, runnable=1.0)] * 4, 2, ("co-load",)),
        ([load(0.09)] * 4, 2, ()),
        ([load(0.11)] * 4, 2, ("co-load",)),
        ([load(0.04)] * 4, 16, ("co-load",)),  # more than half a core
        ([load(0.02)] * 4, 16, ()),
        ([load(0.0, runnable=0.9)] * 4, 2, ("co-load",)),
        ([load(0.0)] * 2 + [load(0.9)] * 2, 2, ("co-load",)),  # it came in the middle
        ([load(0.0, steal=0.02)] * 4, 2, ("steal",)),
        ([load(0.0, steal=0.009)] * 4, 2, ()),
    ],
)
def test_the_load_of_others_is_seen(
    told: list[dict[str, float]], cores: int, expected: tuple[str, ...]
) -> None:
    assert flags(Samples(load=[*told]), {"cores": cores}) == expected


@pytest.mark.parametrize(
    "told",
    [[], [{}], [{"others": None, "steal": "much"}], [{"others": float("nan"), "runnable": True}]],
)
def test_an_older_harness_tells_nothing_of_it(told: list[dict[str, Any]]) -> None:
    assert mean_load(told) == {} and flags(Samples(load=[*told]), {}) == ()


def test_a_clock_that_was_held_down_is_flagged() -> None:
    assert flags(Samples(), {"throttled": "yes"}) == ("throttled",)
    assert flags(Samples(), {"throttled": "unknown"}) == ()


def test_most_launches_must_have_settled() -> None:
    assert flags(Samples(settled=[False, False, True, False, True]), {}) == ("unsettled",)
    assert flags(Samples(settled=[False, True, True, False, True]), {}) == ()
    assert flags(Samples(settled=[False]), {}) == ("unsettled",)


def test_a_steady_change_is_a_drift_whichever_way_it_goes(sampled: Sampled) -> None:
    rising = np.linspace(1.0, 1.1, 20).reshape(5, 4)
    assert drifts(of_rounds(sampled(rising)))
    assert drifts(of_rounds(sampled(rising[::-1, ::-1])))
    assert flags(sampled(rising), {}) == ("drift",)


def test_noise_and_small_changes_are_none(sampled: Sampled, drawn: Drawn) -> None:
    assert not drifts(of_rounds(sampled(np.linspace(1.0, 1.04, 20).reshape(5, 4))))
    noisy = [drifts(of_rounds(sampled(drawn(n, 0.03, 0.03)))) for n in range(40)]
    assert sum(noisy) <= 2
    # One slow round is no trend, and two rounds are none either.
    assert not drifts(of_rounds(sampled([[1.0] * 4, [1.0] * 4, [1.0, 1.0, 1.0, 9.0]])))
    assert not drifts(of_rounds(sampled([[1.0, 2.0]])))
    assert not drifts({})


def test_flags_come_in_their_order(sampled: Sampled) -> None:
    rising = np.linspace(1.0, 1.3, 20).reshape(5, 4)
    given = sampled(rising, load=[load(0.9, 0.5)], settled=[False])
    found = flags(given, {"cores": 2, "throttled": "yes"})
    assert found == ("throttled", "drift", "co-load", "steal", "unsettled")


def test_a_server_that_cannot_keep_up_is_flagged() -> None:
    def answered(queries: int, seconds: float) -> Samples:
        return Samples(latency_ms=[1.0] * queries, seconds=[seconds])

    assert flags(answered(1000, 4.0), {}, qps=1000.0) == ("overloaded",)
    assert flags(answered(900, 1.0), {}, qps=1000.0) == ()
    assert flags(answered(1000, 4.0), {}) == ()
