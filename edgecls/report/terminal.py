"""The rows, or an evaluation, as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecls.core import Measurement
from edgecls.evaluation import Evaluation, Trained
from edgecls.report import units
from edgecls.report.rows import HOST, accuracy, is_measured, is_shown, setback, was_throttled
from edgecls.report.worth import remarks

if TYPE_CHECKING:
    from rich.table import Table

_HEAD = ("Model", "Target", "Precision")
_FIGURES = ("Validation", "Test", "p50", "p90", "Size")


def terminal_table(rows: Sequence[Measurement]) -> Table:
    """Measured rows by p50, then the others with the reason; the recommended ones are marked.

    Rows of several devices are told apart, and each device's stand together.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", width=1)
    for name in _HEAD:
        table.add_column(name, overflow="fold")
    devices = list(dict.fromkeys(row.device for row in rows))
    apart = devices not in ([], [HOST])
    if apart:
        table.add_column("Device", overflow="fold")
    for name in _FIGURES:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Note", overflow="fold", ratio=1)
    said = dict(zip(map(id, rows), remarks(rows), strict=True))

    def rank(row: Measurement) -> tuple[int, bool, float]:
        return devices.index(row.device), not is_shown(row), row.latency_p50_ms or 0.0

    for row in sorted(rows, key=rank):
        style = "bold green" if row.recommended else "" if is_measured(row) else "dim"
        cells = ["★" if row.recommended else "", row.model, row.target, _precision(row)]
        cells += [*([row.device] if apart else []), *_figures(row), _note(row, said[id(row)])]
        # Text, not str: a name may hold what would be markup.
        table.add_row(*(Text(cell) for cell in cells), style=style)
    fixes = dict.fromkeys(row.fix for row in rows if row.fix and setback(row))
    if fixes:
        table.caption = Text("\n".join(f"fix: {fix}" for fix in fixes), style="dim")
        table.caption_justify = "left"
    return table


def _precision(row: Measurement) -> str:
    return f"{row.precision} {row.scheme}" if row.scheme else row.precision


def _figures(row: Measurement) -> list[str]:
    validation, test = accuracy(row, "validation"), accuracy(row, "test")
    return [
        units.percent(validation.value if validation else None),
        units.percent(test.value if test else None),
        units.milliseconds(row.latency_p50_ms),
        units.milliseconds(row.latency_p90_ms),
        units.size(row.size_bytes),
    ]


def _note(row: Measurement, remark: str) -> str:
    first = "recommended" if row.recommended else setback(row)
    throttled = "throttled while it was measured" if was_throttled(row) else ""
    return "; ".join(part for part in (first, throttled, remark) if part)


def evaluation_table(found: Evaluation) -> Table:
    """The score, then each training of the folds and of the learning curve."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    for name in ("Images", "Top-1", "95 % interval", "Top-5", "ECE"):
        table.add_column(name, justify="right", no_wrap=True)
    if found.scored is not None:
        score = found.scored.metrics
        between = units.interval(score["top1_low"], score["top1_high"])
        figures = [units.percent(score["top1"]), between, units.percent(score.get("top5"))]
        cells = [f"{found.scored.split}", f"{score['num_images']:,}", *figures]
        table.add_row(*(Text(cell) for cell in [*cells, units.percent(score["ece"])]), style="bold")
    if found.folds is not None:
        _add_trained(table, found.folds.parts)
        between = units.interval(found.folds.low, found.folds.high)
        table.add_row(
            "mean of the folds", "", units.percent(found.folds.mean), between, style="bold"
        )
    if found.curve is not None:
        _add_trained(table, found.curve.parts)
    if found.warnings:
        table.caption = Text("\n".join(f"warning: {text}" for text in found.warnings), "yellow")
        table.caption_justify = "left"
    return table


def _add_trained(table: Table, parts: Sequence[Trained]) -> None:
    for part in parts:
        between = units.interval(part.top1_low, part.top1_high)
        cells = [f"{part.num_images:,}", units.percent(part.top1), between]
        table.add_row(part.name, *cells, units.ABSENT, units.percent(part.ece))
