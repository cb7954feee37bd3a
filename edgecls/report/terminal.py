"""The rows, or an evaluation, as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecls.core import Measurement
from edgecls.evaluation import Evaluation, Trained
from edgecls.report import flags, scenarios, units
from edgecls.report.rows import (
    HOST,
    OFFLINE,
    SINGLE_STREAM,
    accuracy,
    as_quick,
    comparable,
    is_measured,
    is_shown,
    latency_interval,
    setback,
    was_throttled,
)
from edgecls.report.worth import remarks

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

_HEAD = ("Model", "Target", "Precision")
_FIGURES = ("Validation", "Test", "p50", "p90", "Size")
# A note beside its row needs so many columns; where there are fewer, the notes stand beneath.
_NOTE = 28
_UNLIMITED = 10_000
_SHORT = {"Validation": "Val."}
_CHOSEN = "recommended"


def terminal_table(rows: Sequence[Measurement]) -> RowTable:
    """Measured rows by p50, then the others with the reason; the recommended ones are marked.

    Rows of several devices are told apart, and each device's stand together.
    """
    return RowTable(tuple(rows))


@dataclass(frozen=True)
class RowTable:
    """A table that suits the terminal's width: notes beside the rows, or beneath them."""

    rows: tuple[Measurement, ...]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from rich.measure import Measurement as Width

        lines = _lines(self.rows)
        bare = _table(lines, with_device=_is_apart(self.rows), padding=2)
        # Asked for without a limit: a table that is measured within one is never wider than that.
        needed = Width.get(console, options.update(max_width=_UNLIMITED), bare).maximum
        room = options.max_width - needed
        if room >= _NOTE:
            yield _table(lines, with_device=_is_apart(self.rows), padding=2, with_note=True)
        else:
            yield from _narrow(lines, padding=2 if room >= 0 else 1)
        yield from _ends(self.rows)


@dataclass(frozen=True)
class _Line:
    """A row as it is shown. figures: under `_FIGURES`, and images a second where that counts.

    is_alike: its latencies are of the kind of the others'.
    """

    row: Measurement
    figures: tuple[str, ...]
    interval: str
    note: str
    is_alike: bool

    @property
    def style(self) -> str:
        return "bold green" if self.row.recommended else "" if is_measured(self.row) else "dim"


def _lines(rows: Sequence[Measurement]) -> list[_Line]:
    devices = list(dict.fromkeys(row.device for row in rows))
    alike, said = comparable(rows), remarks(rows)
    with_rate = any(rows[i].scenario != SINGLE_STREAM for i in alike)

    def rank(i: int) -> tuple[int, bool, float]:
        first = is_shown(rows[i]) and i in alike
        return devices.index(rows[i].device), not first, rows[i].latency_p50_ms or 0.0

    found = []
    for i in sorted(range(len(rows)), key=rank):
        row, fits = rows[i], i in alike or not is_measured(rows[i])
        figures = _figures(row, fits) + ((_rate(row),) if with_rate else ())
        interval = latency_interval(row) if fits and is_shown(row) else ""
        remark = said[i] if fits else scenarios.figures(row)
        found.append(_Line(row, figures, interval, _note(row, remark), i in alike))
    return found


def _table(
    lines: Sequence[_Line], with_device: bool, padding: int, with_note: bool = False
) -> Table:
    """padding: between the columns. Without room for it, the int8 scheme is left out too."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, padding, 0, 0))
    table.add_column("", width=1)
    for name in (*_HEAD, *(["Device"] if with_device else [])):
        table.add_column(name, overflow="fold")
    count = max((len(line.figures) for line in lines), default=len(_FIGURES))
    for name in (*_FIGURES, "Images/s")[:count]:
        shown = name if padding > 1 else _SHORT.get(name, name)
        table.add_column(shown, justify="right", no_wrap=True)
    if with_note:
        table.add_column("Note", overflow="fold", ratio=1)
    for line in lines:
        row = line.row
        names = ["★" if row.recommended else "", row.model, row.target]
        names.append(_precision(row) if padding > 1 else row.precision)
        # Text, not str: a name may hold what would be markup.
        cells = [Text(cell) for cell in [*names, *([row.device] if with_device else [])]]
        cells += [_with_interval(line, i) for i in range(len(line.figures))]
        table.add_row(*cells, *([Text(line.note)] if with_note else []), style=line.style)
    return table


def _with_interval(line: _Line, i: int) -> Text:
    from rich.text import Text

    cell = Text(line.figures[i])
    if line.interval and _FIGURES.index("p50") == i:
        cell.append(f"\n{line.interval}", "dim")
    return cell


def _narrow(lines: Sequence[_Line], padding: int) -> Iterator[RenderableType]:
    """Each device's rows, then what is to be said of them; rows without figures have only that."""
    from rich.padding import Padding
    from rich.text import Text

    rows = [line.row for line in lines]
    for device in dict.fromkeys(row.device for row in rows):
        own = [line for line in lines if line.row.device == device]
        if _is_apart(rows):
            yield Text(f"On {device}", "bold")
        yield _table([line for line in own if line.is_alike], False, padding)
        notes: dict[str, list[str]] = {}
        for line in own:
            if line.note and line.note != _CHOSEN:
                notes.setdefault(line.note, []).append(line.row.name)
        for note, names in notes.items():
            yield Text(", ".join(names), "dim")
            yield Padding(Text(note), (0, 0, 0, 2))


def _ends(rows: Sequence[Measurement]) -> Iterator[RenderableType]:
    """What is said once: scenarios, flags, and how to get figures where there are none."""
    from rich.text import Text

    kinds = dict.fromkeys(scenarios.about(row) for row in rows if row.scenario != SINGLE_STREAM)
    for kind in kinds:
        counted = "; latencies count from the arrival" if kind.startswith("server") else ""
        yield Text(f"scenario: {kind}{counted}", "dim")
    for line in flags.legend(rows):
        yield Text(line, "dim")
    for fix in dict.fromkeys(row.fix for row in rows if row.fix and setback(row)):
        yield Text(f"fix: {fix}", "dim")


def _is_apart(rows: Sequence[Measurement]) -> bool:
    return {row.device for row in rows} not in (set(), {HOST})


def _precision(row: Measurement) -> str:
    return f"{row.precision} {row.scheme}" if row.scheme else row.precision


def _figures(row: Measurement, with_latency: bool) -> tuple[str, ...]:
    validation, test = accuracy(row, "validation"), accuracy(row, "test")
    timed = with_latency and row.scenario != OFFLINE
    return (
        units.percent(validation.value if validation else None),
        units.percent(test.value if test else None),
        units.milliseconds(row.latency_p50_ms if timed else None),
        units.milliseconds(row.latency_p90_ms if timed else None),
        units.size(row.size_bytes),
    )


def _rate(row: Measurement) -> str:
    rate = row.throughput_per_s
    return units.ABSENT if rate is None else units.significant(rate)


def _note(row: Measurement, remark: str) -> str:
    first = _CHOSEN if row.recommended else setback(row)
    throttled = "throttled while it was measured" if was_throttled(row) else ""
    level = "no difference in p50 from the quickest seen" if as_quick(row) else ""
    return "; ".join(part for part in (first, throttled, *row.flags, level, remark) if part)


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
