"""How a run shows what it does: a live view in a terminal, plain lines where it is piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import click

from edgecls.core import Progress
from edgecls.pipeline.events import Events, Silent
from edgecls.world import world

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(table: RenderableType) -> None:
    """Print a table of rich to stdout; one that is piped is not squeezed into 80 columns."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)


def display() -> Events:
    """The one that suits stderr; of several processes that train together only one speaks."""
    if not world().is_first:
        return Silent()
    return Live() if sys.stderr.isatty() else Plain()


def one_line(text: str) -> str:
    """Text with names from outside: no line end, no sign that moves the cursor or turns it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class PlainProgress:
    """A line at each change of the note, and never more than one in five seconds."""

    def __init__(self, name: str) -> None:
        self._name, self._note, self._told = name, "", 0.0

    def step(self, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if note != self._note and now - self._told > 5:
            click.echo(f"  {self._name}: {note or f'{done}/{total}'}", err=True)
            self._note, self._told = note, now


class Plain:
    """Plain lines."""

    def plan(self, lines: Sequence[str]) -> None:
        for line in lines:
            click.echo(line, err=True)

    def note(self, text: str) -> None:
        click.echo(f"  {one_line(text)}", err=True)

    def stage(self, name: str) -> AbstractContextManager[Progress]:
        return self._stage(name)

    @contextmanager
    def _stage(self, name: str) -> Iterator[Progress]:
        begin = time.monotonic()
        yield PlainProgress(name)
        click.echo(f"✓ {name} ({time.monotonic() - begin:.1f} s)", err=True)


class LiveProgress:
    """A bar of rich."""

    def __init__(self, bars: object, task: object) -> None:
        self._bars, self._task = bars, task

    def step(self, done: int, total: int, note: str = "") -> None:
        self._bars.update(self._task, completed=done, total=total, note=note)  # type: ignore[attr-defined]


class Live:
    """A bar for the stage at work, a line for each that is done."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)

    def plan(self, lines: Sequence[str]) -> None:
        from rich.panel import Panel
        from rich.text import Text

        self._console.print(Panel(Text("\n".join(lines)), title="plan", border_style="cyan"))

    def note(self, text: str) -> None:
        from rich.text import Text

        self._console.print(Text(f"  {one_line(text)}", style="yellow"))

    def stage(self, name: str) -> AbstractContextManager[Progress]:
        return self._stage(name)

    @contextmanager
    def _stage(self, name: str) -> Iterator[Progress]:
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars
        from rich.text import Text

        begin = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self._console, transient=True) as bars:
            yield LiveProgress(bars, bars.add_task(name, total=None, note=""))
        seconds = time.monotonic() - begin
        self._console.print(Text.assemble(("✓ ", "green"), f"{name} ", (f"{seconds:.1f} s", "dim")))
