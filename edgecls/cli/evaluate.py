"""``edgecls evaluate``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from edgecls.cli.flags import DATA_HELP, Numbers

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("model", required=False, type=FOLDER)
@click.option("--data", help=DATA_HELP)
@click.option(
    "--split",
    type=click.Choice(("train", "validation", "test", "all")),
    help="[default: test where it is given, else all that the model has not seen]",
)
@click.option(
    "--folds", type=click.IntRange(min=2), help="Cross-validate: train anew so many times."
)
@click.option(
    "--learning-curve",
    "sizes",
    type=Numbers(),
    metavar="SHARE,…",
    help="Train anew on these shares of the training images, such as 0.1,0.25,0.5,1.",
)
@click.option("--recipe", type=FOLDER, help="Without MODEL: whose model is trained anew.")
@click.option("--net", help="Which model of the recipe [default: the first].")
@click.option(
    "--calibrated",
    type=FOLDER,
    help="Fit the temperature on validation, and write a copy of the checkpoint with it here.",
)
@click.option(
    "--against",
    type=FOLDER,
    help="Compare with this model, such as the one that MODEL was made from: a paired test, what "
    "flipped, calibration, and accuracy on corrupted and attacked images.",
)
@click.option("--seed", type=int, help="Of the draws, where MODEL does not say it [default: 0].")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the recipe.")
@click.option("--out", type=FOLDER, help="[default: runs/evaluations/<name>]")
@click.option("--force", is_flag=True, help="Replace what is in --out and --calibrated.")
@click.option("--trust-code", is_flag=True, help="Start a runner that is no installed kit's.")
def evaluate(
    model: Path | None,
    data: str | None,
    split: str | None,
    folds: int | None,
    sizes: list[float] | None,
    recipe: Path | None,
    net: str | None,
    calibrated: Path | None,
    against: Path | None,
    seed: int | None,
    overrides: tuple[str, ...],
    out: Path | None,
    force: bool,
    trust_code: bool,
) -> None:
    """Score a model on images it has not seen: a checkpoint, or a bundle by its own runner.

    With --folds and --learning-curve its method is trained anew on parts of the images; without
    MODEL that is a net of the recipe.
    """
    from edgecls.cli.display import display, show
    from edgecls.pipeline.evaluate import Wish
    from edgecls.pipeline.evaluate import evaluate as run
    from edgecls.recipe import load, parse, put
    from edgecls.report import comparison_lines, evaluation_table

    tables = load(recipe, overrides)
    if data is not None:
        put(tables, "data.path", data)
    if seed is not None:
        put(tables, "seed", seed)
    folder = out or Path("runs") / "evaluations" / _name(model or recipe)
    wish = Wish(model, split, folds, tuple(sizes or ()), net, calibrated, trust_code, against)
    command = shlex.join(["edgecls", *sys.argv[1:]])
    found = run(wish, parse(tables), folder, command, display(), force)
    show(evaluation_table(found))
    for line in comparison_lines(found.compared):
        click.echo(line)
    if calibrated is not None:
        click.echo(f"checkpoint: {calibrated}")
    click.echo(f"report: {folder / 'report.html'}")


def _name(path: Path | None) -> str:
    """A model is named by its own folder: a link's name says more than a store's key."""
    return (
        (path.absolute().stem if path.suffix == ".toml" else path.absolute().name)
        if path
        else "anew"
    )
