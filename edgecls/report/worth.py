"""What a row's figures do not say by themselves.

Int8 that is slower than fp32, another machine, a percentile of few queries.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edgecls.core import Measurement
from edgecls.device.stats import MIN_QUERIES
from edgecls.report import units
from edgecls.report.rows import HOST, OFFLINE, is_timed, place
from edgecls.report.sentences import NOISE

# What a row of integers is compared with, the first that there is.
FLOATS = ("fp32", "fp16")


def remarks(rows: Sequence[Measurement], hosts: Collection[str] = (HOST,)) -> list[str]:
    """A sentence or two for each row, empty where there is nothing to say.

    hosts: what the machines that convert are called, of whose rows `elsewhere` is asked.
    """
    return [
        " ".join(part for part in (slower(row, rows), elsewhere(row, hosts), unsure(row)) if part)
        for row in rows
    ]


def slower(row: Measurement, rows: Sequence[Measurement]) -> str:
    """Whether int8 took longer than the same model in float, on the same machine and target."""
    if not row.precision.startswith("int8") or not is_timed(row):
        return ""
    beside = _in_float(row, rows)
    if beside is None or row.latency_p50_ms is None or beside.latency_p50_ms is None:
        return ""
    times = row.latency_p50_ms / beside.latency_p50_ms
    if times <= 1 + NOISE:
        return ""
    return (
        f"{row.precision} is {units.ratio(times)} as slow as {beside.precision} on {place(row)}:"
        " it is worth its size alone."
    )


def elsewhere(row: Measurement, hosts: Collection[str] = (HOST,)) -> str:
    """Whether the row was measured on another machine than the one that it was converted for."""
    if not row.made_for or row.device not in hosts or not is_timed(row):
        return ""
    here = "here" if row.device == HOST else "there"
    return (
        f"Converted for {row.made_for} and measured on {place(row)}:"
        f" its latency {here} says little about that one."
    )


def unsure(row: Measurement) -> str:
    """Whether its p90 is of so few queries that MLPerf's early stopping would not take it."""
    least, count = MIN_QUERIES[90], row.num_queries
    if count is None or count >= least or row.scenario == OFFLINE or not is_timed(row):
        return ""
    queries = "1 query" if count == 1 else f"{count} queries"
    return f"Its p90 is of {queries}: {least} are the fewest that bound one."


def _in_float(row: Measurement, rows: Sequence[Measurement]) -> Measurement | None:
    """The quickest row of the same model, target, device, threads and batch in fp32, else fp16."""

    def alike(other: Measurement) -> tuple[object, ...]:
        place = (other.device, other.scenario, other.threads, other.batch_size)
        return other.model, other.target, *place

    for precision in FLOATS:
        found = [
            other
            for other in rows
            if other.precision == precision and is_timed(other) and alike(other) == alike(row)
        ]
        if found:
            return min(found, key=lambda other: other.latency_p50_ms or 0.0)
    return None
