"""From the encoded image to the answer: what each phase of a query takes."""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, number_cell, table
from edgecls.report.rows import comparable, is_shown

LEAD = (
    "Medians of each phase, measured apart: their sum need not be the median of the whole, which"
    " is measured as well. The bars are on one scale."
)
NAMES = ("Decode", "Preprocess", "Inference", "Postprocess")


def parts(row: Measurement) -> tuple[float | None, ...]:
    """Milliseconds under `NAMES`."""
    before = (row.decode_p50_ms, row.preprocess_p50_ms)
    return (*before, row.latency_p50_ms, row.postprocess_p50_ms)


def is_apart(row: Measurement) -> bool:
    """Whether phases were measured apart: an older row decodes as a part of its preprocessing."""
    return row.decode_p50_ms is not None or row.postprocess_p50_ms is not None


def shown(rows: Sequence[Measurement]) -> list[int]:
    """The rows that have phases."""
    alike = comparable(rows)
    return [i for i, row in enumerate(rows) if i in alike and is_shown(row) and is_apart(row)]


def phase_table(run: Run, order: Sequence[int]) -> Html | None:
    """A stacked bar and its figures for each row that has phases, in `order`; None without any."""
    able = set(shown(run.rows))
    found = [i for i in order if i in able]
    if not found:
        return None
    longest = max(sum(_known(run.rows[i])) for i in found) or 1.0
    lines = [_line(run, i, longest) for i in found]
    head = [column("Row", "text"), column(""), *(column(name, "number") for name in NAMES)]
    head.append(column("End to end", "number", "Measured as a whole, not a sum"))
    return table(head, lines, "Phases of a query", "sortable plain compact untitled phases")


def legend() -> Html:
    """The bars' colours."""
    items = [
        el("li", el("span", class_=f"swatch p{i}"), name.lower()) for i, name in enumerate(NAMES)
    ]
    return el("div", el("ul", *items), class_="legend")


def _known(row: Measurement) -> list[float]:
    return [value for value in parts(row) if value is not None and units.known(value)]


def _line(run: Run, i: int, longest: float) -> Html:
    row = run.rows[i]
    bars = [
        el("span", class_=f"p{place}", style=f"--v:{value / longest:.4f}")
        for place, value in enumerate(parts(row))
        if value is not None and units.known(value)
    ]
    cells = [number_cell(units.milliseconds(value), value) for value in parts(row)]
    whole = number_cell(units.milliseconds(row.end_to_end_p50_ms), row.end_to_end_p50_ms)
    stack = el("td", el("div", *bars, class_="stack"))
    kind = "recommended" if i in run.recommendation.chosen else None
    return el("tr", el("th", run.title(i), scope="row"), stack, *cells, whole, class_=kind)
