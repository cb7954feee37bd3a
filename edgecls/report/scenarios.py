"""Rows of other scenarios than single stream, each with the figures that are its own.

multi-stream: a query is several images, and the next starts when it ends. offline: all images are
handed over at once, and the throughput is the figure. server: queries arrive at random at a rate,
and a latency counts from the arrival, so that waiting in the queue is in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.report.markup import Html, column, el, number_cell, table
from edgecls.report.rows import SINGLE_STREAM, is_measured, title

LEAD = (
    "Multi-stream queries are several images each. Offline, all images are handed over at once,"
    " and images a second are the figure. A server's queries arrive at random, and their latency"
    " counts from the arrival: waiting in the queue is in it."
)
HEAD = ("Row", "Scenario", "p50", "p90", "p99", "Images a second")


def about(row: Measurement) -> str:
    """The scenario with what was asked of it, such as ``server, 100 queries/s``."""
    size = row.protocol.get("samples_per_query")
    if row.scenario == "server" and row.qps is not None:
        return f"server, {units.significant(row.qps)} queries/s"
    if row.scenario == "multi-stream" and isinstance(size, int):
        return f"multi-stream, {units.plural(size, 'image')} a query"
    if row.scenario == "offline" and isinstance(size, int):
        return f"offline, {units.plural(size, 'image')} at once"
    return row.scenario


def figures(row: Measurement) -> str:
    """A sentence with the scenario's own figures."""
    name = about(row)
    parts = [f"{name[:1].upper()}{name[1:]}"]
    if row.scenario != "offline":
        counted = " from arrival" if row.scenario == "server" else ""
        parts.append(
            f"p50 {units.milliseconds(row.latency_p50_ms)},"
            f" p90 {units.milliseconds(row.latency_p90_ms)}{counted}"
        )
    if row.throughput_per_s is not None:
        parts.append(f"{units.significant(row.throughput_per_s)} images/s")
    return f"{': '.join(parts[:2])}{''.join(f', {part}' for part in parts[2:])}."


def others(rows: Sequence[Measurement]) -> list[Measurement]:
    """The measured rows that are not single stream, scenario by scenario."""
    found = [row for row in rows if is_measured(row) and row.scenario != SINGLE_STREAM]
    names = list(dict.fromkeys(row.scenario for row in found))
    return sorted(found, key=lambda row: names.index(row.scenario))


def cells(row: Measurement) -> list[tuple[str, float | None]]:
    """Text and value under the last four of `HEAD`; a whole lot has no latency to compare."""
    latencies = [row.latency_p50_ms, row.latency_p90_ms, row.latency_p99_ms]
    if row.scenario == "offline":
        latencies = [None] * 3
    rate = row.throughput_per_s
    told = units.ABSENT if rate is None else units.significant(rate)
    return [*((units.milliseconds(value), value) for value in latencies), (told, rate)]


def scenario_table(rows: Sequence[Measurement]) -> Html | None:
    """A line for each row of another scenario; None where there is none."""
    found = others(rows)
    if not found:
        return None
    lines = [
        el(
            "tr",
            el("th", title(row), scope="row"),
            el("td", about(row)),
            *(number_cell(text, value) for text, value in cells(row)),
        )
        for row in found
    ]
    head = [column(name, "text") for name in HEAD[:2]]
    head += [column(name, "number") for name in HEAD[2:]]
    return table(head, lines, "Rows of other scenarios", "sortable plain untitled")
