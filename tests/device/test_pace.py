"""The same arithmetic each time."""

from __future__ import annotations

import pytest

from edgecls.device import pace


def test_an_interrupt_meets_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_arithmetic_ms", iter((3.0, 1.0, 1.1, 9.0, 1.2)).__next__)
    assert pace.pace_ms() == 1.0


def test_it_is_real_and_grows_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = pace.pace_ms()
    monkeypatch.setattr(pace, "STEPS", 20 * pace.STEPS)
    assert 0 < usual < pace.pace_ms()
