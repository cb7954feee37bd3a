"""Rows are compared round by round with the quickest one of their device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecls.bench.paired import p_value, with_latency_p_values
from edgecls.bench.samples import Samples
from edgecls.core import Measurement
from edgecls.device.stats import holm

Sampled, Drawn = Callable[..., Samples], Callable[..., Any]
ROW = Measurement("net", "openvino", "int8", "ok", "ok", "ok")


def rows_of(samples: list[Samples], device: str = "host") -> list[Measurement]:
    return [
        ROW.with_(latency_p50_ms=float(np.median(each.latency_ms)), device=device)
        for each in samples
    ]


def times(medians: Any) -> dict[tuple[int, int], float]:
    return {at: float(value) for at, value in np.ndenumerate(medians)}


def test_what_the_machine_did_cancels_out(drawn: Drawn) -> None:
    """Both rows meet the same 20 % from round to round; 3 % between them is found all the same."""
    machine = drawn(1, 0.2, 0.2)
    noise = np.random.default_rng(2).normal(1, 0.005, machine.shape)
    found = p_value(times(1.03 * machine * noise), times(machine))
    assert found is not None and found < 0.01


def test_rows_that_are_alike_are_rarely_told_apart(drawn: Drawn) -> None:
    found = [
        p_value(times(drawn(2 * n, 0.01, 0.005)), times(drawn(2 * n + 1, 0.01, 0.005)))
        for n in range(100)
    ]
    assert sum(each is not None and each < 0.05 for each in found) <= 12
    assert p_value(times([[1.0], [1.0]]), times([[1.0], [1.0]])) == 1.0


def test_a_launch_counts_once_however_many_its_rounds_are() -> None:
    slow, quick = np.array([1.1, 0.98, 1.05]), np.array([1.0, 1.0, 1.0])
    once = p_value(times(slow[:, None]), times(quick[:, None]))
    often = p_value(times(np.repeat(slow[:, None], 50, 1)), times(np.repeat(quick[:, None], 50, 1)))
    assert often == pytest.approx(once)


def test_one_launch_tells_nothing() -> None:
    assert p_value(times([[1.0, 1.1]]), times([[2.0, 2.1]])) is None
    assert p_value({(0, 0): 1.0, (1, 0): 1.0}, {(0, 0): 1.0, (2, 0): 1.0}) is None


def test_each_device_has_a_quickest_row_and_its_own_correction(
    sampled: Sampled, drawn: Drawn
) -> None:
    samples = [sampled(factor * drawn(n, 0.002, 0.002)) for n, factor in enumerate((1.5, 1, 1.02))]
    there = [sampled(factor * drawn(n, 0.002, 0.002)) for n, factor in enumerate((9, 9.3))]
    rows = [*rows_of(samples), ROW.with_(measured="failed"), *rows_of(there, "pi")]
    found = with_latency_p_values(rows, [*samples, Samples(error="it crashed"), *there])
    slow, quickest, near, failed, best_there, other_there = [row.latency_p_value for row in found]
    assert quickest is failed is best_there is None
    base = times_of(samples[1])
    raw = [p_value(times_of(samples[i]), base) for i in (0, 2)]
    assert [slow, near] == pytest.approx(holm([each for each in raw if each is not None]))
    assert other_there == pytest.approx(p_value(times_of(there[1]), times_of(there[0])))


def times_of(samples: Samples) -> dict[tuple[int, int], float]:
    from edgecls.bench.medians import of_rounds

    return of_rounds(samples)
