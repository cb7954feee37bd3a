"""The section about rows of other scenarios than single stream."""

from __future__ import annotations

from edgecls.report import scenarios
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, number_cell, table

LEAD = (
    "Multi-stream queries are several images each. Offline, all images are handed over at once,"
    " and images a second are the figure. A server's queries arrive at random, and their latency"
    " counts from the arrival: waiting in the queue is in it."
)


def scenario_table(run: Run) -> Html | None:
    """A line for each row of another scenario; None where there is none."""
    found = scenarios.others(run.rows)
    if not found:
        return None
    lines = [
        el(
            "tr",
            el("th", run.title(i), scope="row"),
            el("td", scenarios.about(run.rows[i])),
            *(number_cell(text, value) for text, value in scenarios.cells(run.rows[i])),
        )
        for i in found
    ]
    head = [column(name, "text") for name in scenarios.HEAD[:2]]
    head += [column(name, "number") for name in scenarios.HEAD[2:]]
    return table(head, lines, "Rows of other scenarios", "sortable plain untitled")
