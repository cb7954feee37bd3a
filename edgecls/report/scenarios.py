"""Rows of other scenarios than single stream, each with the figures that are its own.

multi-stream: a query is several images, and the next starts when it ends. offline: all images are
handed over at once, and the throughput is the figure. server: queries arrive at random at a rate,
and a latency counts from the arrival, so that waiting in the queue is in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.report.rows import OFFLINE, SINGLE_STREAM, is_measured

HEAD = ("Row", "Scenario", "p50", "p90", "p99", "Images a second")


def about(row: Measurement) -> str:
    """The scenario with what was asked of it, such as ``server, 100 queries/s``."""
    size = row.protocol.get("samples_per_query")
    if row.scenario == "server" and row.qps is not None:
        return f"server, {units.significant(row.qps)} queries/s"
    if row.scenario == "multi-stream" and isinstance(size, int):
        return f"multi-stream, {units.plural(size, 'image')} a query"
    if row.scenario == OFFLINE and isinstance(size, int):
        return f"offline, {units.plural(size, 'image')} at once"
    return row.scenario


def figures(row: Measurement) -> str:
    """A sentence with the scenario's own figures."""
    name = about(row)
    parts = [f"{name[:1].upper()}{name[1:]}"]
    if row.scenario != OFFLINE:
        counted = " from arrival" if row.scenario == "server" else ""
        parts.append(
            f"p50 {units.milliseconds(row.latency_p50_ms)},"
            f" p90 {units.milliseconds(row.latency_p90_ms)}{counted}"
        )
    if row.throughput_per_s is not None:
        parts.append(f"{units.significant(row.throughput_per_s)} images/s")
    return f"{': '.join(parts[:2])}{''.join(f', {part}' for part in parts[2:])}."


def others(rows: Sequence[Measurement]) -> list[int]:
    """The measured rows that are not single stream, scenario by scenario."""
    found = [i for i, row in enumerate(rows) if is_measured(row) and row.scenario != SINGLE_STREAM]
    names = list(dict.fromkeys(rows[i].scenario for i in found))
    return sorted(found, key=lambda i: names.index(rows[i].scenario))


def cells(row: Measurement) -> list[tuple[str, float | None]]:
    """Text and value under the last four of `HEAD`; a whole lot has no latency to compare."""
    latencies = [row.latency_p50_ms, row.latency_p90_ms, row.latency_p99_ms]
    if row.scenario == OFFLINE:
        latencies = [None] * 3
    rate = row.throughput_per_s
    told = units.ABSENT if rate is None else units.significant(rate)
    return [*((units.milliseconds(value), value) for value in latencies), (told, rate)]
