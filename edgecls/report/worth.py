"""What a row's figures do not say by themselves: int8 that is slower than fp32, another machine."""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.report.rows import HOST, is_shown
from edgecls.report.sentences import NOISE

# What a row of integers is compared with, the first that there is.
FLOATS = ("fp32", "fp16")


def remarks(rows: Sequence[Measurement]) -> list[str]:
    """A sentence or two for each row, empty where there is nothing to say."""
    return [" ".join(part for part in (slower(row, rows), elsewhere(row)) if part) for row in rows]


def slower(row: Measurement, rows: Sequence[Measurement]) -> str:
    """Whether int8 took longer than the same model in float, on the same machine and target."""
    if not row.precision.startswith("int8") or not is_shown(row):
        return ""
    beside = _in_float(row, rows)
    if beside is None or row.latency_p50_ms is None or beside.latency_p50_ms is None:
        return ""
    times = row.latency_p50_ms / beside.latency_p50_ms
    if times <= 1 + NOISE:
        return ""
    return (
        f"{row.precision} is {units.ratio(times)} as slow as {beside.precision} on this machine:"
        " it is worth its size alone."
    )


def elsewhere(row: Measurement) -> str:
    """Whether the row was measured on another machine than the one that it was converted for."""
    if not row.made_for or row.device != HOST or not is_shown(row):
        return ""
    return (
        f"Converted for {row.made_for} and measured on this machine:"
        " its latency here says little about that one."
    )


def _in_float(row: Measurement, rows: Sequence[Measurement]) -> Measurement | None:
    """The quickest row of the same model, target, device, threads and batch in fp32, else fp16."""

    def alike(other: Measurement) -> tuple[object, ...]:
        place = (other.device, other.scenario, other.threads, other.batch_size)
        return other.model, other.target, *place

    for precision in FLOATS:
        found = [
            other
            for other in rows
            if other.precision == precision and is_shown(other) and alike(other) == alike(row)
        ]
        if found:
            return min(found, key=lambda other: other.latency_p50_ms or 0.0)
    return None
