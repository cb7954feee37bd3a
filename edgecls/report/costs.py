"""Where the recommended row spends its time: operator by operator, from the runtime's profiler."""

from __future__ import annotations

from edgecls.report import units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, foreign, number_cell, prose, table
from edgecls.report.operators import Operator, Operators, kinds
from edgecls.report.rows import title

# A deep net has hundreds; what is left out has one line.
MOST = 20
_COLOURS = 6


def costs(run: Run) -> list[Html]:
    """A strip of all operators in order, their sums by type, the slowest; empty where untold."""
    found, row = run.operators, run.recommendation.row
    if found is None or row is None or not found.total_ms:
        return []
    colour = {name: f"c{i}" for name, i in _kinds(found).items()}
    return [
        el("p", prose(f"{title(row)}: {about(found, row.latency_p50_ms)}")),
        _strip(found, colour),
        el("div", _by_type(found, colour), _slowest(found, colour), class_="beside costs"),
    ]


def about(found: Operators, p50_ms: float | None) -> str:
    """Who counted, how often, and what the counting itself costs."""
    text = (
        f"{units.plural(len(found.operators), 'operator')} take"
        f"{'s' if len(found.operators) == 1 else ''} {units.milliseconds(found.total_ms)} in all,"
        f" by the profiler of {found.profiler}, a mean of {units.plural(found.queries, 'query')}."
        " Profiling itself costs time: read the shares, not the sum"
    )
    if p50_ms is None:
        return f"{text}."
    return f"{text}. Without it the p50 is {units.milliseconds(p50_ms)}."


def _kinds(found: Operators) -> dict[str, int]:
    return kinds((name for name, _, _ in found.by_type()), _COLOURS)


def _strip(found: Operators, colour: dict[str, str]) -> Html:
    """All operators in the order of execution, each as wide as its share."""
    total = found.total_ms
    parts = [
        el(
            "span",
            class_=colour[each.type],
            style=f"--v:{each.ms / total:.5f}",
            title=f"{each.name} ({each.type}): {units.milliseconds(each.ms)},"
            f" {units.percent(each.ms / total, 1)}",
        )
        for each in found.operators
    ]
    note = f"All {units.plural(len(parts), 'operator')} in the order of execution"
    return el("div", el("div", *parts, class_="strip", role="img", aria_label=note), class_="wide")


def _by_type(found: Operators, colour: dict[str, str]) -> Html:
    lines = [
        el(
            "tr",
            el("th", el("span", class_=f"swatch {colour[name]}"), foreign(name), scope="row"),
            number_cell(f"{count:,}", count),
            number_cell(units.milliseconds(ms), ms),
            *_share(ms, found.by_type()[0][2], found.total_ms, colour[name]),
        )
        for name, count, ms in found.by_type()
    ]
    head = [column("Type", "text"), column("Count", "number"), column("Time", "number")]
    head += [column("Share", "number"), column("")]
    return table(head, lines, "By type", "sortable plain compact")


def _slowest(found: Operators, colour: dict[str, str]) -> Html:
    order = {id(each): number for number, each in enumerate(found.operators, 1)}
    slowest = found.slowest()
    lines = [_line(each, order[id(each)], found, colour) for each in slowest[:MOST]]
    head = [column("Operator", "text"), column("Order", "number", "Its place in the execution")]
    head += [column("Type", "text"), column("Time", "number"), column("Share", "number")]
    head.append(column(""))
    rest = slowest[MOST:]
    foot = None
    if rest:
        ms = sum(each.ms for each in rest)
        cells = [
            number_cell(units.milliseconds(ms), ms),
            *_share(ms, slowest[0].ms, found.total_ms, "ref"),
        ]
        name = f"{units.plural(len(rest), 'other operator')} together"
        foot = el("tr", el("th", name, scope="row"), el("td"), el("td"), *cells)
    return table(head, lines, "The slowest operators", "sortable plain compact", foot=foot)


def _line(each: Operator, number: int, found: Operators, colour: dict[str, str]) -> Html:
    longest = found.slowest()[0].ms
    return el(
        "tr",
        el("th", foreign(each.name), scope="row"),
        number_cell(str(number), number),
        el("td", foreign(each.type)),
        number_cell(units.milliseconds(each.ms), each.ms),
        *_share(each.ms, longest, found.total_ms, colour[each.type]),
    )


def _share(ms: float, longest_ms: float, total_ms: float, colour: str) -> list[Html]:
    """The share of the whole, and a bar beside the table's longest."""
    bar = el("span", class_=f"bar {colour}", style=f"--v:{min(1.0, ms / longest_ms):.4f}")
    return [number_cell(units.percent(ms / total_ms, 1), ms / total_ms), el("td", bar)]
