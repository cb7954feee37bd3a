"""A row that is known well enough is asked no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgecls.bench.samples import Samples
from edgecls.bench.settings import Protocol
from edgecls.bench.stopping import is_known

Sampled = Callable[..., Samples]
EARLY = Protocol(early_stop=True)


def test_it_stops_where_the_bound_is_near_and_never_before_the_third_launch(
    sampled: Sampled,
) -> None:
    steady = sampled([[1.0] * 4] * 3, queries=20)
    assert is_known(steady, EARLY, 3)
    assert not is_known(steady, EARLY, 2)
    assert not is_known(steady, Protocol(), 3)


def test_a_tail_that_is_not_known_goes_on(sampled: Sampled) -> None:
    restless = sampled([[1.0, 1.0, 1.0, 1.0 + launch] for launch in range(3)], queries=20)
    assert not is_known(restless, EARLY, 3)


@pytest.mark.parametrize(
    ("scenario", "settings", "least"),
    [
        ("single-stream", {}, 64),
        ("multi-stream", {}, 662),
        ("server", {"qps": 9.0}, 662),
    ],
)
def test_a_percentile_needs_its_queries(
    scenario: Any, settings: dict[str, Any], least: int
) -> None:
    protocol = replace(EARLY, scenario=scenario, **settings)
    assert not is_known(Samples(latency_ms=[1.0] * (least - 1)), protocol, 3)
    assert is_known(Samples(latency_ms=[1.0] * least), protocol, 3)
