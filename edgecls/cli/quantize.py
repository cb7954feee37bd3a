"""``edgecls quantize``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, get_args

import click

from edgecls.cli.flags import DATA_HELP
from edgecls.cli.purpose import made_for, tell_scheme
from edgecls.core import Correction, Precision, Ranges

FOLDER = click.Path(path_type=Path)
INT8 = [name for name in get_args(Precision) if name.startswith("int8")]


@click.command()
@click.argument("checkpoint", type=FOLDER)
@click.option("--target", required=True, help="A runtime; `edgecls targets` lists them.")
@click.option(
    "--precision",
    type=click.Choice(INT8),
    default="int8",
    show_default=True,
    help="int8-dynamic finds ranges as it runs; int8-weights makes the file smaller alone.",
)
@click.option("--ranges", type=click.Choice(get_args(Ranges)), help="Of the activations.")
@click.option("--percentile", type=float, help="Of --ranges percentile, in percent.")
@click.option(
    "--bias-correction", type=click.Choice(get_args(Correction)), help="Of every layer's mean."
)
@click.option(
    "--equalise/--no-equalise", default=None, help="Even out neighbouring layers' channels."
)
@click.option("--smooth-quant", type=float, help="Alpha of SmoothQuant, where the target has it.")
@click.option("--float-layers", metavar="LAYER,…", help="Layers that stay in float.")
@made_for
@click.option("--diagnose", is_flag=True, help="Say what each layer costs, and what to do.")
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    metavar="POINTS",
    help="Climb the ladder of remedies until int8 loses no more, judged on --data's validation.",
)
@click.option("--qat/--no-qat", default=None, help="Whether --max-drop may end with training.")
@click.option("--data", help=DATA_HELP.replace(" [default: the embedded digits]", ", or digits"))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the recipe.")
@click.option(
    "--out", type=FOLDER, help="The bundle's folder, or of --diagnose the file [diagnosis.json]."
)
@click.option("--force", is_flag=True, help="Replace what is in --out.")
def quantize(
    checkpoint: Path,
    target: str,
    precision: Precision,
    profile: str | None,
    diagnose: bool,
    max_drop: float | None,
    data: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    force: bool,
    **remedies: Any,
) -> None:
    """Convert a checkpoint to int8, its ranges from the checkpoint's own training images."""
    from edgecls.device.meta import bundle_sha256
    from edgecls.pipeline import quantized
    from edgecls.recipe import load, parse, put

    tables = load(None, overrides)
    for name, value in remedies.items():
        if value is not None:
            listed = value.split(",") if name == "float_layers" else value
            put(tables, f"quantize.{name}", listed)
    if max_drop is not None:
        put(tables, "quantize.max_drop", max_drop / 100)
    if data is not None:
        put(tables, "data.path", data)
    if profile is not None:
        put(tables, "export.for", profile)
    recipe, wish = parse(tables), quantized.Wish(checkpoint, target, precision)
    quantized.check(recipe, diagnose)
    if diagnose:
        _diagnose(wish, recipe, out, force)
        return
    folder = out or Path(f"{target}-{precision}")
    if recipe.quantize.max_drop is not None:
        _climb(wish, recipe, folder, force)
        return
    written = quantized.convert(wish, recipe, folder, force)
    tell_scheme(written)
    click.echo(f"bundle: {written}  sha256 {bundle_sha256(str(written))}")


def _diagnose(wish: Any, recipe: Any, out: Path | None, force: bool) -> None:
    from edgecls.cli.display import display, show
    from edgecls.errors import UsageError
    from edgecls.pipeline import quantized
    from edgecls.quantize.diagnosis import NAME, advice
    from edgecls.report.climb import diagnosis_table

    file = out or Path(NAME)
    if file.is_dir() or (file.exists() and not force):
        raise UsageError(f"{file} exists already", "choose another file, or add --force to a file")
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", "make it first")
    found = quantized.diagnose(wish, recipe, file, display())
    show(diagnosis_table(found))
    command = shlex.join(["edgecls", "quantize", str(wish.checkpoint), "--target", wish.target])
    for sentence in advice(found, command):
        click.echo(sentence)
    click.echo(f"diagnosis: {file}")


def _climb(wish: Any, recipe: Any, out: Path, force: bool) -> None:
    from edgecls.cli.display import display, show
    from edgecls.device.meta import bundle_sha256
    from edgecls.pipeline import quantized
    from edgecls.report.climb import climb_table

    found = quantized.climbed(wish, recipe, out, display(), force)
    show(climb_table(found))
    click.echo(found.verdict)
    click.echo(f"{found.num_evaluations} evaluations, {found.seconds:.0f} s")
    tell_scheme(out)
    click.echo(f"bundle: {out}  sha256 {bundle_sha256(str(out))}")
    click.echo(f"record: {quantized.record_of(out)}")
    if not found.met:
        click.echo(f"error: no int8 model loses at most {100 * found.max_drop:g} points", err=True)
        click.echo(
            "  fix: allow more, train it longer for int8 (edgecls qat), or ship fp32", err=True
        )
        sys.exit(1)
