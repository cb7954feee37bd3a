"""The same arithmetic again and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgecls.device import pace
from edgecls.device.pace import Pace

MS = 1_000_000


@pytest.fixture
def taking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What the arithmetic takes, one time after the other; the clock stands still."""
    times: list[float] = []
    monkeypatch.setattr(pace, "arithmetic_ms", lambda: times.pop(0))
    monkeypatch.setattr(pace.time, "perf_counter_ns", lambda: 0)
    yield times
    assert times == []


def test_it_is_looked_at_now_and_then_before_and_after(taking: list[float]) -> None:
    taking += [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    found = Pace()
    found.begin()
    for now_ms in (1, 49, 50, 51, 99, 100, 149, 151, 202):
        found.look(now_ms * MS)
    assert found.answer() == 1.0


def test_it_is_what_most_of_the_time_it_was(taking: list[float]) -> None:
    """A median of latencies is bent by a spell that lasts for half of them or more."""
    taking += [1.0, 1.0, 1.0, *[2.0] * 8, 1.0, 1.0, 2.0]
    found = Pace()
    found.begin()
    for look in range(1, 9):
        found.look(50 * look * MS)
    assert found.answer() == 2.0


def test_the_arithmetic_is_real_and_grows_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = min(pace.arithmetic_ms() for _ in range(5))
    monkeypatch.setattr(pace, "STEPS", 20 * pace.STEPS)
    assert 0 < usual < pace.arithmetic_ms()
