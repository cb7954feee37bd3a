"""``edgecls doctor``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgecls.doctor import Check

MARKS = {"ok": "✓", "missing": "·", "warning": "!", "broken": "✗"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--imports/--no-imports", default=True, help="Whether to try every import, which takes seconds."
)
def doctor(as_json: bool, imports: bool) -> None:
    """What is installed, what fits together, and the line that installs what is missing."""
    from edgecls.doctor import examine

    teller = _Teller()
    report = examine(Path.cwd(), imports, (lambda check: None) if as_json else teller.tell)
    if as_json:
        click.echo(json.dumps(report.to_json()))
    elif not report.is_sound:
        click.echo("error: the base of edgecls does not work; the lines above mend it", err=True)
    sys.exit(0 if report.is_sound else 1)


class _Teller:
    """Prints each check under its part, as it comes."""

    def __init__(self) -> None:
        self._part = ""

    def tell(self, check: Check) -> None:
        if check.part != self._part:
            click.echo(check.part)
            self._part = check.part
        click.echo(f"  {MARKS[check.state]} {check.name:<20} {check.text}")
        if check.fix:
            click.echo(f"      fix: {check.fix}")
