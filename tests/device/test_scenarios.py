"""When queries come, on a clock that the test turns."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecls.device import measure, rounds, scenarios
from edgecls.device.errors import EdgeclsError
from edgecls.device.scenarios import Round

MS = 1_000_000


class Clock:
    """Time passes in `ask`, by what `step_ns` says of a query, and where somebody sleeps."""

    def __init__(self, step_ns: Callable[[int], int]) -> None:
        self.now, self.step_ns, self.asked = 10**15, step_ns, list[int]()
        self.begun, self.looks = list[int](), list[int]()

    def perf_counter_ns(self) -> int:
        self.now += 1  # so that a loop that waits comes to its end
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)

    def ask(self, index: int) -> None:
        self.asked.append(index)
        self.begun.append(self.now)
        self.now += self.step_ns(index)

    def look(self, now_ns: int) -> None:
        self.looks.append(now_ns)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clock]:
    def make(step_ns: Callable[[int], int] = lambda index: 2 * MS) -> Clock:
        made = Clock(step_ns)
        for module in (measure, scenarios, rounds):
            monkeypatch.setattr(module, "time", made)
        monkeypatch.setattr(scenarios, "SPIN_NS", 20)  # of a nanosecond each, here
        return made

    return make


def rounded(samples: Sequence[float]) -> list[float]:
    return [round(each, 3) for each in samples]


@pytest.mark.parametrize(
    ("seconds", "queries", "count"),
    [(0.0, 5, 5), (0.1, 5, 50), (0.1, 80, 80), (0.099, 1, 50), (0.0, 1, 1), (0.0, 0, 1)],
)
def test_both_the_time_and_the_number_of_queries_are_reached(
    clock: Any, seconds: float, queries: int, count: int
) -> None:
    turned = clock()
    samples = scenarios.sample(turned.ask, Round(seconds=seconds, queries=queries), turned.look)
    assert rounded(samples) == [2.0] * count
    assert turned.asked == list(range(count))
    assert len(turned.looks) == count - 1


def test_no_slow_query_is_dropped(clock: Any) -> None:
    turned = clock(lambda index: 1000 * MS if index == 3 else MS)
    assert rounded(scenarios.sample(turned.ask, Round(queries=5))) == [1, 1, 1, 1000, 1]


def test_what_happens_between_two_queries_is_in_no_latency(clock: Any) -> None:
    turned = clock()
    look = lambda now: turned.sleep(1.0)  # noqa: E731
    assert rounded(scenarios.sample(turned.ask, Round(queries=4), look)) == [2.0] * 4


def test_a_call_is_timed_with_its_result(clock: Any) -> None:
    turned = clock()
    result, milliseconds = measure.timed(lambda: turned.ask(0) or "result")
    assert (result, round(milliseconds, 3)) == ("result", 2.0)


def server(clock: Clock, qps: float, queries: int = 2000, seed: int = 0) -> Sequence[float]:
    asked = Round(scenario="server", qps=qps, queries=queries, seed=seed)
    return scenarios.sample(clock.ask, asked, clock.look)


def test_a_server_that_is_quick_answers_each_arrival_at_once(clock: Any) -> None:
    turned = clock(lambda index: 1000)
    samples = server(turned, qps=20)
    assert np.median(samples) == pytest.approx(0.001, abs=1e-4)
    gaps = np.diff(turned.begun) / 1e9
    # Of a Poisson process: the gaps' mean is 1 / qps, and their deviation is as large.
    assert gaps.mean() == pytest.approx(1 / 20, rel=0.1)
    assert gaps.std() == pytest.approx(1 / 20, rel=0.1)
    assert turned.asked == list(range(2000))


def test_the_waiting_in_a_servers_queue_counts(clock: Any) -> None:
    """Of a queue with Poisson arrivals and one service time the mean is known."""
    load = 0.5
    samples = server(clock(lambda index: 10 * MS), qps=100 * load, queries=20_000)
    waiting_ms = 10 * load / (2 * (1 - load))  # Pollaczek and Khinchine
    assert np.mean(samples) == pytest.approx(10 + waiting_ms, rel=0.05)
    assert min(samples) == pytest.approx(10, abs=0.01)


def test_a_server_asked_too_often_falls_behind(clock: Any) -> None:
    samples = server(clock(lambda index: 10 * MS), qps=200, queries=400)
    assert samples[-1] == pytest.approx(400 * (10 - 5), rel=0.2)


def test_an_overloaded_server_answers_all_that_arrived_in_the_time(clock: Any) -> None:
    """Those that still waited at its end would have been the slowest."""
    asked = Round(scenario="server", qps=1000, seconds=0.5)
    samples = scenarios.sample(clock(lambda index: 2 * MS).ask, asked)
    draw = random.Random(0)
    due = [each for each in accumulate(draw.expovariate(1000) for _ in range(800)) if each < 0.5]
    # Of one queue and one service time (Lindley): answered when free, and not before it came.
    answered = accumulate(due, lambda free, came: max(free, came) + 0.002, initial=0.0)
    waited = [1e3 * (end - came) for came, end in zip(due, list(answered)[1:], strict=True)]
    assert len(samples) == len(due) > 450
    assert samples == pytest.approx(waited, abs=0.01)
    assert np.median(samples) > 200


def test_a_server_waits_to_the_end_of_the_time_for_who_may_still_come(clock: Any) -> None:
    turned = clock(lambda index: 1000)
    begin = turned.now
    scenarios.sample(turned.ask, Round(scenario="server", qps=3, seconds=2.0))
    assert (turned.now - begin) / 1e9 == pytest.approx(2.0, abs=0.001)


def test_samples_take_no_more_memory_than_their_numbers(clock: Any) -> None:
    for asked in (Round(queries=9), Round(scenario="server", qps=10, queries=9)):
        samples = scenarios.sample(clock().ask, asked)
        assert isinstance(samples, array) and samples.itemsize * len(samples) == 8 * 9


def test_arrivals_are_those_of_their_seed(clock: Any) -> None:
    begun = []
    for seed in (3, 3, 4):
        turned = clock(lambda index: 1000)
        server(turned, qps=50, queries=20, seed=seed)
        begun.append(turned.begun)
    assert begun[0] == begun[1] != begun[2]


def test_a_server_also_goes_on_for_the_time_asked(clock: Any) -> None:
    turned = clock(lambda index: 1000)
    asked = Round(scenario="server", qps=100, queries=3, seconds=2.0)
    assert len(scenarios.sample(turned.ask, asked)) == pytest.approx(200, rel=0.3)


def test_the_warm_up_is_asked_but_not_measured(clock: Any) -> None:
    turned = clock()
    answer = rounds.measured(turned.ask, Round(seconds=0.02, queries=3, warmup=7), 1)
    assert rounded(answer["samples_ms"]) == [2.0] * 10
    assert turned.asked == [*range(7), *range(10)]
    assert (answer["warmup_queries"], answer["settled"]) == (7, True)
    assert answer["seconds"] == pytest.approx(0.020, abs=1e-4)


def settled(clock: Clock) -> tuple[int, bool]:
    return scenarios.warm_up(clock.ask, Round(settle=True, warmup=2))


def test_a_machine_that_is_steady_settles_in_two_windows(clock: Any) -> None:
    # 2 ms a query: 25 of them are the 50 ms of a window.
    assert settled(clock()) == (2 + 2 * 25, True)


def test_a_slow_query_has_few_in_a_window(clock: Any) -> None:
    assert settled(clock(lambda index: 900 * MS)) == (2 + 2 * scenarios.WINDOW_QUERIES, True)


def test_it_is_waited_for_until_the_median_stands_still(clock: Any) -> None:
    times = iter([*[40] * 7, *[30] * 5, *[20] * 5, *[20] * 5])
    assert settled(clock(lambda index: next(times) * MS)) == (2 + 4 * 5, True)


def test_a_machine_that_never_settles_is_told_so(clock: Any) -> None:
    turned = clock()
    turned.step_ns = lambda index: (50 + len(turned.asked) * 5) * MS
    count, holds = settled(turned)
    assert (count, holds) == (2 + scenarios.WINDOWS * scenarios.WINDOW_QUERIES, False)


def test_whole_lots_are_no_windows_to_settle_in(clock: Any) -> None:
    turned = clock(lambda index: 20_000 * MS)
    lots = Round(scenario="offline", samples=256, warmup=1, settle=True)
    assert scenarios.warm_up(turned.ask, lots) == (1, True)
    assert turned.asked == [0]


def test_who_does_not_ask_to_settle_is_told_no_doubt(clock: Any) -> None:
    turned = clock()
    turned.step_ns = lambda index: len(turned.asked) * MS
    assert scenarios.warm_up(turned.ask, Round(warmup=5)) == (5, True)


def test_a_request_becomes_a_round() -> None:
    assert Round.from_json({"do": "round"}) == Round()
    assert Round.from_json({"scenario": "multi-stream"}).samples == 8
    assert Round.from_json({"scenario": "offline", "samples_per_query": None}).samples == 256
    assert Round.from_json({"scenario": "offline", "samples_per_query": 3}).samples == 3
    asked = {"scenario": "server", "qps": 50, "seed": 7, "queries": 9, "settle": True}
    expected = Round(scenario="server", qps=50.0, seed=7, queries=9, settle=True)
    assert Round.from_json(asked) == expected
    assert Round.from_json({"phase": "decode", "scenario": "single-stream"}).phase == "decode"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"phase": "dreaming"}, "unknown phase: 'dreaming'"),
        ({"scenario": "burst"}, "unknown scenario: 'burst'"),
        ({"scenario": ["server"]}, "unknown scenario"),
        ({"phase": "decode", "scenario": "offline"}, "decode has no scenario offline"),
        ({"scenario": "server"}, "'qps' is 0.0"),
        ({"scenario": "server", "qps": -1}, "'qps' is -1"),
        ({"scenario": "server", "qps": float("nan")}, "'qps' is nan"),
        ({"scenario": "offline", "samples_per_query": 0}, "'samples_per_query' is 0"),
        ({"queries": "many"}, "'queries' is 'many'"),
        ({"queries": True}, "'queries' is True"),
        ({"seconds": float("inf")}, "'seconds' is inf"),
        ({"warmup": -1}, "'warmup' is -1"),
        ({"settle": "yes"}, "'settle' is 'yes'"),
    ],
)
def test_a_request_that_is_no_round_is_refused(request_: dict[str, Any], error: str) -> None:
    with pytest.raises(EdgeclsError) as caught:
        Round.from_json(request_)
    assert error in caught.value.cause
    assert caught.value.fix


def test_an_unknown_scenario_is_told_the_valid_ones() -> None:
    with pytest.raises(EdgeclsError) as caught:
        Round.from_json({"scenario": "burst"})
    assert caught.value.fix == "valid: single-stream, multi-stream, offline, server"


def test_a_round_tells_of_load_and_energy_only_where_the_device_does(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(**answers: dict[str, Any]) -> dict[str, Any]:
        load, energy = (answers.get(name, {}) for name in ("load", "energy"))
        nothing = lambda *_: None  # noqa: E731
        monkeypatch.setattr(
            rounds,
            "Load",
            lambda: SimpleNamespace(begin=nothing, look=nothing, answer=lambda: load),
        )
        monkeypatch.setattr(rounds.Meter, "begin", nothing)
        monkeypatch.setattr(rounds.Pace, "answer", lambda self: 0.7)
        monkeypatch.setattr(rounds.Meter, "end", lambda self, seconds: energy)
        return rounds.measured(clock().ask, Round(queries=3), 8)

    assert set(told()) == {
        "samples_ms",
        "seconds",
        "warmup_queries",
        "settled",
        "samples_per_query",
        "pace_ms",
    }
    spent, busy = {"joules": 1.5, "source": "rapl"}, {"others": 0.1, "steal": 0.0, "runnable": 0}
    found = told(load=busy, energy=spent)
    assert (found["load"], found["energy"], found["samples_per_query"]) == (busy, spent, 8)
    assert found["pace_ms"] == 0.7
