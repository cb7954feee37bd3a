"""The table of every row: those that were skipped or failed as well, with the reason and the fix.

A row is a ``tbody`` of two lines, its figures and its verdict, so that a script can sort rows
without parting them.
"""

from __future__ import annotations

from collections.abc import Callable

from edgecls.core import Measurement
from edgecls.report import flags, svg, units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, foreign, number_cell, prose, scroller
from edgecls.report.palette import colour
from edgecls.report.recommend import HOST_ONLY
from edgecls.report.rows import (
    HOST,
    Split,
    accuracy,
    as_quick,
    comparable,
    is_measured,
    is_shown,
    latency_interval,
    memory_of,
    no_difference,
    reference_row,
    was_throttled,
)

_HEAD = (
    ("Model", "text", ""),
    ("Target", "text", ""),
    ("Precision", "text", "and the int8 scheme"),
    ("Validation", "number", "Top-1 on validation, on which the choice is made; 95 % interval"),
    ("Test", "number", "Top-1 on test, scored once; 95 % interval"),
    ("Against reference", "number", "Test accuracy minus the reference's, paired test"),
    (
        "p50",
        "number",
        "Median latency of a single query; beneath it its 95 % interval, and whether a difference"
        " from the quickest row was seen",
    ),
    ("p90", "number", "90th percentile; beneath it the bound that holds with 99 % confidence"),
    ("p99", "number", "99th percentile; beneath it the bound that holds with 99 % confidence"),
    ("End to end", "number", "Median from the encoded image to probabilities"),
    ("Size", "number", "All files that the runtime reads"),
    ("Memory", "number", "Peak resident memory of the process"),
)
_ORIGIN = ("Run", "text", "The run or the file that the row is of")
_APART = (
    "What the model takes: the peak of the process less what it took before; beneath it the peak"
)


def row_table(run: Run, name: str = "rows") -> Html:
    """Every row: the recommended one first, then by p50, then those without figures."""
    columns = [*([_ORIGIN] if run.origins else []), *_columns(run)]
    head = el("thead", el("tr", *(column(name, sort, about) for name, sort, about in columns)))
    bodies = [_body(run, i, len(columns)) for i in order(run)]
    caption = el("caption", f"All {units.plural(len(run.rows), 'row')}")
    return scroller(
        el("table", caption, head, *bodies, class_="rows sortable", id=name), "Table of all rows"
    )


def left_out(run: Run) -> Html:
    """A line that a script shows where rows are filtered out."""
    return el(
        "p",
        el("span"),
        el("button", "Show all", type="button"),
        class_="left-out",
        hidden=True,
        data_first=run.first,
        data_last=run.first + len(run.rows),
    )


def _columns(run: Run) -> list[tuple[str, str, str]]:
    apart = any(row.memory_bytes is not None for row in run.rows)
    last = (_HEAD[-1][0], _HEAD[-1][1], _APART) if apart else _HEAD[-1]
    return [*_HEAD[:-1], last]


def order(run: Run) -> list[int]:
    """The rows' indices in the order in which they are shown: each device's stand together."""
    devices = list(dict.fromkeys(row.device for row in run.rows))
    if run.recommendation.row is not None:
        devices.insert(0, run.recommendation.row.device)
    alike = comparable(run.rows)

    def rank(i: int) -> tuple[bool, int, bool, float, int]:
        row = run.rows[i]
        shown = is_shown(row) and i in alike
        latency = row.latency_p50_ms if shown and row.latency_p50_ms else 0.0
        device = devices.index(row.device)
        return i != run.recommendation.index, device, not shown, latency, i

    return sorted(range(len(run.rows)), key=rank)


def details_table(run: Run) -> Html | None:
    """The figures of the measured rows for which the first table has no room."""
    measured = [i for i in order(run) if is_measured(run.rows[i])]
    if not measured:
        return None
    details = [*_DETAILS, *([_ENERGY] if any(r.energy_mj is not None for r in run.rows) else [])]
    head = [column("Row", "text"), *(column(name, "number") for name, _ in details)]
    head.append(column("Bundle", "text"))
    lines = []
    for i in measured:
        row = run.rows[i]
        cells = [cell(row) for _, cell in details]
        sha = el("small", f"sha256 {row.bundle_sha256}") if row.bundle_sha256 else None
        bundle = el("td", el("code", row.bundle) if row.bundle else units.ABSENT, sha)
        lines.append(el("tr", el("th", run.title(i), scope="row"), *cells, bundle))
    whole = el(
        "table",
        el("caption", "More figures of the measured rows"),
        el("thead", el("tr", *head)),
        el("tbody", *lines),
        class_="sortable plain more",
    )
    return scroller(whole, "More figures of the measured rows")


def _milliseconds(pick: Callable[[Measurement], float | None]) -> Callable[[Measurement], Html]:
    return lambda row: number_cell(units.milliseconds(pick(row)), pick(row))


def _count(pick: Callable[[Measurement], int | None]) -> Callable[[Measurement], Html]:
    return lambda row: number_cell(units.integer(pick(row)), pick(row))


def _throughput(row: Measurement) -> Html:
    value = row.throughput_per_s
    text = units.ABSENT if value is None else f"{units.significant(value)} /s"
    return number_cell(text, value)


def _difference(row: Measurement) -> Html:
    value = row.max_rel_logit_diff
    return number_cell(units.ABSENT if value is None else units.significant(value, 2), value)


_DETAILS: tuple[tuple[str, Callable[[Measurement], Html]], ...] = (
    ("Load", _milliseconds(lambda row: row.load_ms)),
    ("First inference", _milliseconds(lambda row: row.first_inference_ms)),
    ("Preprocessing p50", _milliseconds(lambda row: row.preprocess_p50_ms)),
    ("Throughput", _throughput),
    ("Queries", _count(lambda row: row.num_queries)),
    ("Threads", _count(lambda row: row.threads)),
    ("Batch", _count(lambda row: row.batch_size)),
    ("Test images", _count(lambda row: row.num_images)),
    (
        "Same answer as source",
        lambda row: number_cell(units.percent(row.top1_agreement), row.top1_agreement),
    ),
    ("Largest logit difference (σ)", _difference),
)


_ENERGY = (
    "Energy a query",
    lambda row: number_cell(units.millijoules(row.energy_mj), row.energy_mj),
)


def _body(run: Run, i: int, width: int) -> Html:
    row, verdict = run.rows[i], run.recommendation.verdicts[i]
    figures = el("tr", *_names(run, i), *_figures(run, i), class_="figures-line")
    fix = el("span", " Fix: ", el("code", row.fix)) if row.fix and not is_measured(row) else None
    mark = el("span", _mark(row, verdict.kind), class_="badge")
    doubts = flags.badges(row, "span", "doubts")
    words = el("div", mark, " ", prose(verdict.text), fix, doubts, class_="words")
    why = el("tr", el("td", words, colspan=width), class_="why")
    number = run.first + i
    return el("tbody", figures, why, id=f"row-{number}", class_=verdict.kind, data_row=number)


def _mark(row: Measurement, kind: str) -> str:
    if kind == "apart":
        return row.scenario
    if kind == "unjudged":
        return "measured"
    if kind == "limit":
        return "over budget"
    if kind == "unmeasured":
        return "failed" if "failed" in (row.converted, row.compiled, row.measured) else "skipped"
    return kind


def _names(run: Run, i: int) -> list[Html]:
    row = run.rows[i]
    device = el("small", row.device) if row.device != HOST else None
    scheme = el("small", row.scheme) if row.scheme else None
    origin = [el("td", foreign(run.origins[i]), data_v=run.origins[i])] if run.origins else []
    glyph = svg.glyph(row.precision, colour(run, i))
    return [
        *origin,
        el("th", glyph, row.model, scope="row", data_v=row.model),
        el("td", row.target, device, data_v=row.target),
        el("td", row.precision, scheme, data_v=row.precision),
    ]


def _figures(run: Run, i: int) -> list[Html]:
    row = run.rows[i]
    is_alike = is_shown(row) and i in comparable(run.rows)
    return [
        _accuracy(row, "validation"),
        _accuracy(row, "test"),
        _against(run, i),
        *(_latencies(row) if is_alike else [number_cell(units.ABSENT, None)] * 4),
        number_cell(units.size(row.size_bytes), row.size_bytes),
        _memory(run, row),
    ]


def _latencies(row: Measurement) -> list[Html]:
    """p50, p90, p99 and end to end: of rows whose latencies are of the same kind alone."""
    notes = [
        latency_interval(row),
        "no difference seen" if as_quick(row) else "",
        "throttled" if was_throttled(row) else "",
    ]
    return [
        number_cell(units.milliseconds(row.latency_p50_ms), row.latency_p50_ms, *notes),
        _bounded(row.latency_p90_ms, row.latency_p90_ms_bound),
        _bounded(row.latency_p99_ms, row.latency_p99_ms_bound),
        number_cell(units.milliseconds(row.end_to_end_p50_ms), row.end_to_end_p50_ms),
    ]


def _memory(run: Run, row: Measurement) -> Html:
    value = memory_of(row, run.rows)
    peak = "" if row.memory_bytes is None else f"peak {units.size(row.rss_bytes)}"
    return number_cell(units.size(value), value, peak)


def _accuracy(row: Measurement, split: Split) -> Html:
    value = accuracy(row, split)
    if value is None:
        return number_cell(units.ABSENT, None)
    return number_cell(
        units.percent(value.value), value.value, units.interval(value.low, value.high)
    )


def _against(run: Run, i: int) -> Html:
    """The difference from its run's PyTorch reference, named as one only where it was seen."""
    row, beside, reference = run.rows[i], run.rows, run.info.reference
    if run.origins:
        pairs = zip(run.rows, run.origins, strict=True)
        beside = tuple(each for each, origin in pairs if origin == run.origins[i])
        reference = run.references.get(run.origins[i], "")
    base = reference_row(beside, reference, HOST_ONLY)
    if row is base:
        return number_cell("the reference", 0.0)
    if base is None or base.top1 is None or row.top1 is None:
        return number_cell(units.ABSENT, None)
    difference = row.top1 - base.top1
    note = "not tested" if row.p_value is None else units.p_value(row.p_value)
    text = "no difference seen" if no_difference(row) else units.signed_points(difference)
    return number_cell(text, difference, note)


def _bounded(value: float | None, bound: float | None) -> Html:
    note = "" if bound is None else f"≤ {units.milliseconds(bound)}"
    return number_cell(units.milliseconds(value), value, note)
