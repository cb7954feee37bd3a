"""The rows as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.report.rows import accuracy, is_measured, is_shown, setback

if TYPE_CHECKING:
    from rich.table import Table

_HEAD = ("Model", "Target", "Precision")
_FIGURES = ("Validation", "Test", "p50", "p90", "Size")


def terminal_table(rows: Sequence[Measurement]) -> Table:
    """Measured rows by p50, then the others with the reason; the recommended one is marked."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", width=1)
    for name in _HEAD:
        table.add_column(name, overflow="fold")
    for name in _FIGURES:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Note", overflow="fold", ratio=1)
    for row in sorted(rows, key=lambda row: (not is_shown(row), row.latency_p50_ms or 0.0)):
        style = "bold green" if row.recommended else "" if is_measured(row) else "dim"
        cells = ["★" if row.recommended else "", row.model, row.target, _precision(row)]
        cells += [*_figures(row), _note(row)]
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


def _note(row: Measurement) -> str:
    if row.recommended:
        return "recommended"
    return setback(row)
