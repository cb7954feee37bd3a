"""``edgecls run``, ``init`` and ``report``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from edgecls.cli import paths
from edgecls.cli.flags import DATA_HELP
from edgecls.cli.purpose import made_for
from edgecls.recipe import DIGITS, load, parse, put

EXISTING = click.Path(path_type=Path)


@click.command()
@click.argument("recipe", required=False, type=EXISTING)
@click.option("--data", help=DATA_HELP)
@click.option("--out", type=EXISTING, help="The run's folder (default: runs/<name>).")
@made_for
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the recipe.")
@click.option("--force", is_flag=True, help="Replace the results of another recipe in --out.")
def run(
    recipe: Path | None,
    data: str | None,
    out: Path | None,
    profile: str | None,
    overrides: tuple[str, ...],
    force: bool,
) -> None:
    """The whole job: images in, verified and measured models and a report out."""
    from edgecls.cli.display import display, show
    from edgecls.pipeline import run as pipeline
    from edgecls.report import terminal_table

    tables = load(recipe, overrides)
    if data is not None:
        put(tables, "data.path", data)
    if profile is not None:
        put(tables, "export.for", profile)
    parsed = parse(tables)
    if "name" not in tables:
        parsed = parse({**tables, "name": _name(recipe, parsed.data.path)})
    folder = out or Path("runs") / parsed.name
    command = shlex.join(["edgecls", *sys.argv[1:]])
    finished = pipeline.run(parsed, folder, command, display(), force)
    show(terminal_table(finished.rows))
    click.echo(f"finished in {finished.seconds:.0f} s")
    click.echo(f"report: {finished.report}")


def _name(recipe: Path | None, data: str) -> str:
    """A run is called after its recipe, else after its images; the digits are the demo."""
    if recipe is not None:
        return _plain(recipe.stem)
    return "demo" if data == DIGITS else _plain(Path(data).resolve().name)


def _plain(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)
    return kept.strip("-._") or "run"


@click.command()
@click.argument("recipe", type=EXISTING, default=Path("recipe.toml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(recipe: Path, force: bool) -> None:
    """Write a commented recipe."""
    from edgecls.cli.template import write
    from edgecls.pipeline import places

    places.writable(recipe, "another path")
    click.echo(f"wrote {write(recipe, force)}; run it with: edgecls run {recipe}")


@click.command()
@click.argument("runs", type=EXISTING, nargs=-1, required=True, metavar="RUN...")
@click.option("--out", type=EXISTING, help="Of several: the page that compares them.")
@click.option("--force", is_flag=True, help="Overwrite --out.")
def report(runs: tuple[Path, ...], out: Path | None, force: bool) -> None:
    """Write a run's report again, or one page that compares several runs and devices.

    RUN is a run's folder or, in a comparison, a file of rows of `edgecls bench --out`.
    """
    from edgecls.report import write_comparison, write_report

    paths.there(paths.RUN, *runs)
    if len(runs) == 1 and not runs[0].is_file():
        _alone(out, force)
        click.echo(f"report: {write_report(runs[0])}")
        return
    click.echo(f"report: {write_comparison(runs, _page(out), force)}")


def _alone(out: Path | None, force: bool) -> None:
    """Raises UsageError for options that one run's report has not: it lies in the run's folder."""
    from edgecls.errors import UsageError

    for option, given in (("--out", out is not None), ("--force", force)):
        if given:
            raise UsageError(f"{option} has no effect on one run", "leave it, or name several runs")


def _page(out: Path | None) -> Path:
    """Raises UsageError where no file was named, or none can be there."""
    from edgecls.errors import UsageError
    from edgecls.pipeline import places

    if out is None:
        raise UsageError("a comparison has no folder to lie in", "name its file with --out")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}", "make it first")
    places.writable(out)
    return out
