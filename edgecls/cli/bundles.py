"""``edgecls export``, ``verify``, ``predict`` and ``bench``."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import get_args

import click

from edgecls.cli.purpose import batch, made_for, tell_scheme
from edgecls.core import Batch, Precision, Purpose

FOLDER = click.Path(path_type=Path)
trusted = click.option(
    "--trust-code", is_flag=True, help="Start a runner that is no installed kit's."
)
COUNT = click.IntRange(min=1)
threads = click.option("--threads", type=COUNT, default=1, show_default=True, help="CPU threads.")


@click.command()
@click.argument("checkpoint", type=FOLDER)
@click.option("--target", required=True, help="A runtime; `edgecls targets` lists them.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="[default: fp32]")
@made_for
@batch
@click.option("--out", type=FOLDER, help="The bundle's folder [default: <target>-<precision>].")
@click.option("--force", is_flag=True, help="Replace what is in --out.")
def export(
    checkpoint: Path,
    target: str,
    precision: Precision | None,
    profile: str | None,
    batch: Batch,
    out: Path | None,
    force: bool,
) -> None:
    """Convert a checkpoint for a target and package it as a bundle that proves itself."""
    from edgecls import targets

    precisions = targets.get(target).precisions
    chosen: Precision = precision or ("fp32" if "fp32" in precisions else precisions[0])
    from edgecls.device.meta import bundle_sha256
    from edgecls.pipeline.single import export as convert

    folder = out or Path(f"{target}-{chosen}")
    written = convert(checkpoint, target, chosen, folder, force, purpose=Purpose(profile, batch))
    tell_scheme(written)
    click.echo(f"bundle: {written}  sha256 {bundle_sha256(str(written))}")


@click.command()
@click.argument("bundle", type=FOLDER)
@trusted
def verify(bundle: Path, trust_code: bool) -> None:
    """Prove that a bundle is whole and still answers as it should."""
    from edgecls.runner import Runner

    with Runner(bundle, trust_code=trust_code) as runner:
        result = runner.ask({"do": "verify"})
    click.echo(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("images", type=FOLDER, nargs=-1, required=True)
@trusted
def predict(bundle: Path, images: tuple[Path, ...], trust_code: bool) -> None:
    """Classify images with a bundle: one line each, file, label and confidence."""
    from edgecls.runner import Runner

    with Runner(bundle, trust_code=trust_code) as runner:
        result = runner.ask({"do": "predict", "images": [str(p.resolve()) for p in images]})
    for shown, found in zip(images, result["predictions"], strict=True):
        if "error" in found:
            click.echo(f"{shown}\terror: {found['error']}", err=True)
            continue
        label = "rejected" if found["rejected"] else found["label"]
        click.echo(f"{shown}\t{label}\t{found['confidence']:.4f}")
    sys.exit(0 if result["ok"] else 1)


@click.command()
@click.argument("bundles", type=FOLDER, nargs=-1, required=True)
@threads
@click.option(
    "--launches", type=COUNT, default=2, show_default=True, help="Process launches of each bundle."
)
@click.option(
    "--rounds", type=COUNT, default=4, show_default=True, help="Interleaved rounds a launch."
)
@click.option(
    "--queries", type=COUNT, default=700, show_default=True, help="Fewest queries of a bundle."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 86_400),
    default=2.0,
    show_default=True,
    help="Shortest time of a bundle.",
)
@click.option(
    "--on",
    "devices",
    multiple=True,
    metavar="DEVICE",
    help="Where: local, ssh://user@host:port or adb://serial; again for several [default: local].",
)
@click.option("--setup", is_flag=True, help="Make environments on devices behind ssh, with pip.")
@click.option("--cpus", metavar="MASK", help="Pin runners on devices to cores, as taskset's mask.")
@click.option("--data", type=FOLDER, help="Images with one folder a class: accuracy on the device.")
@click.option(
    "--images", type=COUNT, default=500, show_default=True, help="How many of --data, at most."
)
@click.option("--out", type=FOLDER, help="Write the rows as JSON lines to this file.")
@click.option("--force", is_flag=True, help="Overwrite --out.")
@trusted
def bench(
    bundles: tuple[Path, ...],
    threads: int,
    launches: int,
    rounds: int,
    queries: int,
    seconds: float,
    devices: tuple[str, ...],
    setup: bool,
    cpus: str | None,
    data: Path | None,
    images: int,
    out: Path | None,
    force: bool,
    trust_code: bool,
) -> None:
    """Measure bundles side by side, in interleaved rounds over several process launches.

    On a device, a bundle is copied, proven and measured there; its row says which device.
    Accuracy is counted on all images of --data alike: whether a model was trained on them is
    asked by `edgecls evaluate`.
    """
    from edgecls.bench.protocol import Protocol
    from edgecls.cli.display import display, show
    from edgecls.core import write_results
    from edgecls.pipeline.benching import Asked
    from edgecls.pipeline.benching import bench as measure
    from edgecls.remote.connected import hosts
    from edgecls.report import terminal_table
    from edgecls.report.rows import title

    _check(out, force, data, seconds)
    protocol = Protocol(threads, launches, rounds, queries, seconds)
    events = display()
    asked = None if data is None else Asked(data, images)
    found = measure(
        bundles, protocol, trust_code, events, hosts(devices, setup, cpus, events.note), asked
    )
    if out is not None:
        write_results(out, found)
    show(terminal_table(found))
    failed = [row for row in found if row.measured != "ok"]
    for row in failed:
        click.echo(f"error: {title(row)}: {row.reason}", err=True)
    sys.exit(1 if failed else 0)


def _check(out: Path | None, force: bool, data: Path | None, seconds: float) -> None:
    """Raises UsageError for what cannot be, before anything is measured."""
    from edgecls.errors import UsageError
    from edgecls.pipeline import places

    if math.isnan(seconds):
        raise UsageError("--seconds is not a number", "such as 2.0")
    if out is not None and (out.is_dir() or (out.exists() and not force)):
        raise UsageError(f"{out} exists already", "choose another file, or add --force to a file")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}", "make it first")
    if out is not None:
        places.writable(out)
    if data is not None and not data.exists():
        raise UsageError(f"the folder of images {data} is not there", "check its path")
