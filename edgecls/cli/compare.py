"""``edgecls compare``."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import click

from edgecls.cli import paths

RUN = click.Path(path_type=Path)


class Bound(click.ParamType[float]):
    """A share that may be lost, in hundredths of 1: percent of a latency, points of an accuracy."""

    def __init__(self, name: str, sign: str, most: float) -> None:
        self.name, self._sign, self._most = name, sign, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).strip()
        try:
            found = float(text.removesuffix(self._sign) if self._sign else text)
        except ValueError:
            found = math.nan
        if not 0 <= found <= self._most:
            self.fail(f"{value!r} is no number of {self.name} from 0 to {self._most:g}")
        return found


@click.command()
@click.argument("old", type=RUN)
@click.argument("new", type=RUN)
@click.option(
    "--max-drop",
    type=Bound("points", "", 100),
    default=0.5,
    show_default=True,
    metavar="POINTS",
    help="Accuracy that a row may lose.",
)
@click.option(
    "--max-slower",
    type=Bound("percent", "%", 10_000),
    default="5%",
    show_default=True,
    metavar="PERCENT",
    help="Latency that a row may gain.",
)
@click.option("--junit", type=RUN, help="Write JUnit's XML to this file, a case a row and kind.")
@click.option("--markdown", type=RUN, help="Write Markdown for a pull request to this file.")
@click.option("--force", is_flag=True, help="Overwrite --junit and --markdown.")
def compare(
    old: Path,
    new: Path,
    max_drop: float,
    max_slower: float,
    junit: Path | None,
    markdown: Path | None,
    force: bool,
) -> None:
    """Compare two runs row by row: the gate of a CI.

    OLD and NEW are the folders of two runs, or files of rows by `edgecls bench --out` with the
    files/ beside them. It ends with 1 where a row of NEW is worse than a bound allows and chance
    does not explain the change (a corrected p below 0.01), where a row that was measured in OLD is
    gone, and where nothing could be tested. Where accuracy, or latency, could be tested in no row,
    a warning says so, and the status is that of the other. A latency is the mean over process
    launches of each one's median; a report's p50 is the median of all queries.
    """
    from edgecls import comparing
    from edgecls.cli.display import show
    from edgecls.errors import EdgeclsError
    from edgecls.rundir import write_text

    _check({"--junit": junit, "--markdown": markdown}, force, (old, new))
    gate = comparing.compare(old, new, comparing.Bounds(max_drop / 100, max_slower / 100))
    for file, document in ((junit, comparing.junit), (markdown, comparing.markdown)):
        if file is not None:
            write_text(file, document(gate))
    show(comparing.table(gate))
    click.echo(comparing.summary(gate))
    for warning in comparing.warnings(gate):
        click.echo(f"warning: {warning}", err=True)
    found = comparing.alarms(gate)
    for alarm in found:
        click.echo(f"alarm: {alarm.sentence}", err=True)
    if not found and not gate.num_tested:
        raise EdgeclsError(
            "nothing could be tested, so this gate has seen nothing: the reasons are in the table",
            "compare the folders of two runs, measured on one machine in the same way",
        )
    sys.exit(1 if found else 0)


def _check(files: dict[str, Path | None], force: bool, runs: tuple[Path, Path]) -> None:
    """Raises UsageError for files that cannot be written, before anything is read."""
    from edgecls.errors import UsageError
    from edgecls.pipeline import places
    from edgecls.rundir import check_new, is_part

    given = {option: file for option, file in files.items() if file is not None}
    paths.there(paths.RUN, *runs)
    if force and not given:
        raise UsageError("--force is to overwrite --junit or --markdown", "add one, or leave it")
    if len({file.resolve() for file in given.values()}) < len(given):
        raise UsageError(f"{' and '.join(given)} name the same file", "choose two files")
    for option, file in given.items():
        if any(is_part(file, run) for run in runs):
            raise UsageError(f"{file} is part of a run that is compared", "choose another file")
        check_new(file, force)
        if not file.parent.is_dir():
            raise UsageError(f"there is no folder {file.parent}", "make it first")
        places.writable(file, option)
