"""The comparison as tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecls.comparing.values import NEW, OLD, Gate
from edgecls.comparing.words import HEAD, Block, blocks, notes

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

_MEANS = "latency: the mean over launches of each one's median; a p50 elsewhere is of all queries"


def table(gate: Gate) -> Group:
    """Each row's name, and under it a line a figure; at the end what is to be known of them.

    A name has a line of its own: beside so many figures it would have no room.
    """
    from rich.console import Group
    from rich.text import Text

    found = blocks(gate)
    lines = [HEAD, *(line.cells for block in found for line in block.lines)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head = _grid(widths)
    head.add_row(*HEAD, style="bold")
    parts: list[Text | Table] = [Text(f"{OLD}: {gate.old}\n{NEW}: {gate.new}"), head]
    for block in found:
        parts += _block(block, widths)
    # Text, not str: a name may hold what would be markup.
    parts += [Text(note, "dim") for note in notes(gate)]
    if any(change.p_value is not None for _, change in gate.changes("latency")):
        parts.append(Text(_MEANS, "dim"))
    return Group(*parts)


def _block(block: Block, widths: Sequence[int]) -> list[Text | Table]:
    from rich.text import Text

    if block.remark:
        style = "bold red" if block.alarm else "dim"
        return [Text(f"{block.name}: {block.remark}", style)]
    grid = _grid(widths)
    for line in block.lines:
        style = "bold red" if line.alarm else "dim" if line.quiet else ""
        grid.add_row(*map(Text, line.cells), style=style)
    return [Text(block.name, "bold"), grid]


def _grid(widths: Sequence[int]) -> Table:
    """All of them have the same columns; the last one gives way where there is no room."""
    from rich.table import Table

    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for number, width in enumerate(widths[:-1]):
        grid.add_column(width=width, justify="right" if number else "left", no_wrap=True)
    grid.add_column(overflow="fold", max_width=widths[-1])
    return grid
