"""Rounds during which the machine was slower are found by its pace, never by their latencies."""

from __future__ import annotations

from edgecls.bench import slowed
from edgecls.bench.doubts import flags
from edgecls.bench.samples import Samples


def told(*pace_ms: float, rounds: int = 4) -> Samples:
    """Samples of rounds of such a pace; the latencies are all over the place."""
    found = Samples()
    for index, pace in enumerate(pace_ms):
        answer = {"samples_ms": [1.0 + index % 7], "pace_ms": pace}
        found.take_round(index // rounds, index % rounds, answer, is_first=False)
    return found


def test_those_slower_than_usual_are_found_by_their_place() -> None:
    usual = [1.0, 1.1] * 4
    assert slowed.places(told(*usual)) == []
    assert slowed.places(told(*usual, 1.4, 1.2, 1.0, 1.5)) == [(2, 0), (2, 3)]


def test_an_older_harness_tells_no_pace() -> None:
    assert slowed.places(told(0.0, 0.0)) == [] == slowed.places(Samples())
    assert slowed.places(told(1.0, 0.0, 1.6)) == [(0, 2)]
    assert slowed.share(Samples()) == 0.0


def test_a_single_quick_round_is_not_what_is_usual() -> None:
    """The first round on a cool device, whose clock then goes down for good."""
    assert slowed.places(told(0.6, *[1.0] * 19)) == []
    assert len(slowed.places(told(*[0.6] * 3, *[1.0] * 17))) == 17


def test_a_row_is_flagged_where_more_than_a_tenth_is_left() -> None:
    assert flags(told(*[1.0] * 18, 2.0, 2.0), {}) == ()
    assert flags(told(*[1.0] * 17, 2.0, 2.0, 2.0), {}) == ("slowed",)


def test_a_round_that_is_asked_again_takes_the_place_of_the_first() -> None:
    found = told(1.0, 2.0, 1.0, rounds=2)
    load = {"others": 0.0}
    answer = {"samples_ms": [5.0, 6.0], "seconds": 3.0, "pace_ms": 1.1, "load": load}
    found.take_round(0, 1, {**answer, "energy": {"joules": 2.0}}, is_first=True)
    assert found.latency_ms == [1.0, 3.0, 5.0, 6.0]
    assert list(zip(found.launch, found.round, strict=True)) == [(0, 0), (1, 0), (0, 1), (0, 1)]
    assert found.places == [(0, 0), (1, 0), (0, 1)]
    assert found.pace_ms == [1.0, 1.0, 1.1] and found.seconds[-1] == 3.0
    assert found.load == [{}, {}, load] and found.energy[2] == {"joules": 2.0, "queries": 2}
    assert found.num_repeated == 1
