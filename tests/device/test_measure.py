"""Queries in single stream, on a clock that the test turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecls.device import golden, measure, meta


class Clock:
    """Time passes only in `ask`: `step_ns` a query."""

    def __init__(self, step_ns: int) -> None:
        self.now, self.step_ns, self.asked = 10**15, step_ns, list[int]()

    def perf_counter_ns(self) -> int:
        return self.now

    def ask(self, index: int) -> None:
        self.asked.append(index)
        self.now += self.step_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(2_000_000)
    monkeypatch.setattr(measure, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "queries", "count"),
    [(0.0, 5, 5), (0.1, 5, 50), (0.1, 80, 80), (0.099, 1, 50), (0.0, 1, 1), (0.0, 0, 1)],
)
def test_both_the_time_and_the_number_of_queries_are_reached(
    clock: Clock, seconds: float, queries: int, count: int
) -> None:
    assert measure.sample(clock.ask, seconds, queries) == [2.0] * count
    assert clock.asked == list(range(count))


def test_the_warm_up_is_asked_but_not_counted(clock: Clock) -> None:
    assert len(measure.sample(clock.ask, 0.02, 3, warmup=7)) == 10
    assert clock.asked == [*range(7), *range(10)]


def test_no_slow_query_is_dropped(clock: Clock) -> None:
    def ask(index: int) -> None:
        clock.now += 10**9 if index == 3 else 10**6

    assert measure.sample(ask, 0.0, 5) == [1, 1, 1, 1000, 1]


def test_a_call_is_timed_with_its_result(clock: Clock) -> None:
    assert measure.timed(lambda: clock.ask(0) or "result") == ("result", 2.0)


def test_probabilities_add_up_to_one_and_do_not_overflow() -> None:
    logits = np.array([[1000.0, 0.0], [-1e4, -1e4]], np.float32)
    assert measure.probabilities(logits, 1.0).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    soft, hard = (measure.probabilities(np.array([[2.0, 0.0]]), t)[0, 0] for t in (2.0, 0.5))
    assert soft == pytest.approx(1 / (1 + np.exp(-1)))
    assert hard == pytest.approx(1 / (1 + np.exp(-4)))


def test_each_phase_takes_the_golden_images_in_turn(tiny_bundle: Path) -> None:
    class Runner:
        def run(self, images: np.ndarray) -> np.ndarray:
            asked.append(images)
            return np.zeros((len(images), 10), np.float32)

    asked: list[np.ndarray] = []
    description = meta.read(str(tiny_bundle))
    tensors = golden.inputs(str(tiny_bundle), description)
    files = [Path(p).read_bytes() for p in golden.image_paths(str(tiny_bundle), description)]
    for phase in ("inference", "end_to_end"):
        ask = measure.query(phase, Runner(), description, tensors, files)
        asked.clear()
        answers = [ask(index) for index in range(len(tensors) + 1)]
        expected = [*range(len(tensors)), 0]
        assert all(image.shape == description.input_shape for image in asked)
        assert np.array_equal(np.concatenate(asked), tensors[expected])
        assert answers[0].sum() == (1.0 if phase == "end_to_end" else 0.0)
    asked.clear()
    ask = measure.query("preprocess", Runner(), description, tensors, files)
    assert all(np.array_equal(ask(index), tensors[index]) for index in range(len(tensors)))
    assert asked == []
