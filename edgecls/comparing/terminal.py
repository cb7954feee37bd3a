"""The comparison as a table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecls.comparing.values import NEW, OLD, Gate
from edgecls.comparing.words import HEAD, lines, notes

if TYPE_CHECKING:
    from rich.table import Table


def table(gate: Gate) -> Table:
    """Three lines a row; under it what is to be known of its figures."""
    from rich.table import Table
    from rich.text import Text

    found = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    found.title = Text(f"{OLD}: {gate.old}\n{NEW}: {gate.new}")
    found.title_justify, found.title_style = "left", ""
    for number, name in enumerate(HEAD):
        if number in (0, len(HEAD) - 1):
            found.add_column(name, overflow="fold", ratio=1 if number else None)
        else:
            found.add_column(name, justify="left" if number == 1 else "right", no_wrap=True)
    for line in lines(gate):
        style = "bold red" if line.alarm else "dim" if line.quiet else ""
        # Text, not str: a name may hold what would be markup.
        found.add_row(*(Text(cell) for cell in line.cells), style=style)
    told = notes(gate)
    if told:
        found.caption = Text("\n".join(told), style="dim")
        found.caption_justify = "left"
    return found
