"""``edgecls data inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecls.cli.display import one_line

if TYPE_CHECKING:
    from edgecls.data.inspection import Inspection

_MAX_CLASSES, _MAX_FILES = 40, 20


@click.group()
def data() -> None:
    """Look at images before anything is trained on them."""


@data.command()
@click.argument("source")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write inspection.html, with a contact sheet, and inspection.json into this folder.",
)
@click.option("--force", is_flag=True, help="Replace what is in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def inspect(source: str, out: Path | None, force: bool, as_json: bool) -> None:
    """What SOURCE holds: classes, sizes, kinds, corrupt files and copies.

    SOURCE is whatever --data takes: a folder, a manifest.csv, an archive, torchvision:NAME.
    """
    from edgecls.cli.display import display
    from edgecls.pipeline import looking

    found = looking.inspect(source, out, display(), force)
    if as_json:
        click.echo(looking.as_text(found), nl=False)
        return
    _show(found)
    if out is not None:
        click.echo(f"page: {out / looking.PAGE}")


def _show(found: Inspection) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgecls.cli.display import show
    from edgecls.report.inspection import facts, obstacles, summary

    classes = Table()
    classes.add_column("images of")
    for split in found.counts:
        classes.add_column(split, justify="right")
    for label in found.labels[:_MAX_CLASSES]:
        counts = (f"{split[label]:,}" for split in found.counts.values())
        classes.add_row(Text(label), *counts)
    if len(found.labels) > _MAX_CLASSES:
        classes.add_row(Text(f"and {len(found.labels) - _MAX_CLASSES:,} more"))
    show(classes)
    kinds = Table(show_header=False)
    for name, value in facts(found):
        kinds.add_row(name, Text(value))
    show(kinds)
    left_out = [*found.corrupt, *found.skipped]
    for row in left_out[:_MAX_FILES]:
        click.echo(f"left out: {one_line(row.file)}: {one_line(row.reason)}")
    if len(left_out) > _MAX_FILES:
        click.echo(f"and {len(left_out) - _MAX_FILES:,} more; --out or --json lists all")
    click.echo(summary(found))
    for obstacle in obstacles(found):
        click.echo(f"cannot be trained on yet: {one_line(obstacle)}")
