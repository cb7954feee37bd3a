"""The table of every row: those that were skipped or failed as well, with the reason and the fix.

A row is a ``tbody`` of two lines, its figures and its verdict, so that a script can sort rows
without parting them.
"""

from __future__ import annotations

from collections.abc import Callable

from edgecls.core import Measurement
from edgecls.report import svg, units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, number_cell, prose, scroller
from edgecls.report.recommend import HOST_ONLY
from edgecls.report.rows import (
    HOST,
    Split,
    accuracy,
    is_measured,
    is_shown,
    no_difference,
    reference_row,
    title,
    was_throttled,
)
from edgecls.report.scatter import colours

_HEAD = (
    ("Model", "text", ""),
    ("Target", "text", ""),
    ("Precision", "text", "and the int8 scheme"),
    ("Validation", "number", "Top-1 on validation, on which the choice is made; 95 % interval"),
    ("Test", "number", "Top-1 on test, scored once; 95 % interval"),
    ("Against reference", "number", "Test accuracy minus the reference's, paired test"),
    ("p50", "number", "Median latency of a single query"),
    ("p90", "number", "90th percentile; beneath it the bound that holds with 99 % confidence"),
    ("p99", "number", "99th percentile; beneath it the bound that holds with 99 % confidence"),
    ("End to end", "number", "Median from the encoded image to probabilities"),
    ("Size", "number", "All files that the runtime reads"),
    ("Memory", "number", "Peak resident memory of the process"),
)


def row_table(run: Run) -> Html:
    """Every row: the recommended one first, then by p50, then those without figures."""
    head = el("thead", el("tr", *(column(name, sort, about) for name, sort, about in _HEAD)))
    bodies = [_body(run, i) for i in order(run)]
    caption = el("caption", f"All {units.plural(len(run.rows), 'row')}")
    return scroller(
        el("table", caption, head, *bodies, class_="rows sortable", id="rows"), "Table of all rows"
    )


def order(run: Run) -> list[int]:
    """The rows' indices in the order in which they are shown: each device's stand together."""
    devices = list(dict.fromkeys(row.device for row in run.rows))
    if run.recommendation.row is not None:
        devices.insert(0, run.recommendation.row.device)

    def rank(i: int) -> tuple[bool, int, bool, float, int]:
        row = run.rows[i]
        latency = row.latency_p50_ms if is_shown(row) and row.latency_p50_ms else 0.0
        device = devices.index(row.device)
        return i != run.recommendation.index, device, not is_shown(row), latency, i

    return sorted(range(len(run.rows)), key=rank)


def details_table(run: Run) -> Html | None:
    """The figures of the measured rows for which the first table has no room."""
    measured = [i for i in order(run) if is_measured(run.rows[i])]
    if not measured:
        return None
    head = [column("Row", "text"), *(column(name, "number") for name, _ in _DETAILS)]
    head.append(column("Bundle", "text"))
    lines = []
    for i in measured:
        row = run.rows[i]
        cells = [cell(row) for _, cell in _DETAILS]
        sha = el("small", f"sha256 {row.bundle_sha256}") if row.bundle_sha256 else None
        bundle = el("td", el("code", row.bundle) if row.bundle else units.ABSENT, sha)
        lines.append(el("tr", el("th", title(row), scope="row"), *cells, bundle))
    whole = el(
        "table",
        el("caption", "More figures of the measured rows"),
        el("thead", el("tr", *head)),
        el("tbody", *lines),
        class_="sortable plain",
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


def _body(run: Run, i: int) -> Html:
    row, verdict = run.rows[i], run.recommendation.verdicts[i]
    figures = el("tr", *_names(run, row), *_figures(run, row), class_="figures-line")
    fix = el("span", " Fix: ", el("code", row.fix)) if row.fix and not is_measured(row) else None
    mark = el("span", _mark(row, verdict.kind), class_="badge")
    words = el("div", mark, " ", prose(verdict.text), fix, class_="words")
    why = el("tr", el("td", words, colspan=len(_HEAD)), class_="why")
    return el("tbody", figures, why, id=f"row-{i}", class_=verdict.kind, data_row=i)


def _mark(row: Measurement, kind: str) -> str:
    if kind == "limit":
        return "over budget"
    if kind == "unmeasured":
        return "failed" if "failed" in (row.converted, row.compiled, row.measured) else "skipped"
    return kind


def _names(run: Run, row: Measurement) -> list[Html]:
    colour = colours(run.rows)[row.target]
    device = el("small", row.device) if row.device != HOST else None
    scheme = el("small", row.scheme) if row.scheme else None
    return [
        el("th", svg.glyph(row.precision, colour), row.model, scope="row", data_v=row.model),
        el("td", row.target, device, data_v=row.target),
        el("td", row.precision, scheme, data_v=row.precision),
    ]


def _figures(run: Run, row: Measurement) -> list[Html]:
    return [
        _accuracy(row, "validation"),
        _accuracy(row, "test"),
        _against(run, row),
        number_cell(
            units.milliseconds(row.latency_p50_ms),
            row.latency_p50_ms,
            "throttled" if was_throttled(row) else "",
        ),
        _bounded(row.latency_p90_ms, row.latency_p90_ms_bound),
        _bounded(row.latency_p99_ms, row.latency_p99_ms_bound),
        number_cell(units.milliseconds(row.end_to_end_p50_ms), row.end_to_end_p50_ms),
        number_cell(units.size(row.size_bytes), row.size_bytes),
        number_cell(units.size(row.rss_bytes), row.rss_bytes),
    ]


def _accuracy(row: Measurement, split: Split) -> Html:
    value = accuracy(row, split)
    if value is None:
        return number_cell(units.ABSENT, None)
    return number_cell(
        units.percent(value.value), value.value, units.interval(value.low, value.high)
    )


def _against(run: Run, row: Measurement) -> Html:
    """The difference from the reference's PyTorch row, named as one only where it was seen."""
    base = reference_row(run.rows, run.info.reference, HOST_ONLY)
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
