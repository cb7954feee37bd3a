"""``edgecls export``, ``verify`` and ``predict``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from edgecls.cli import paths
from edgecls.cli.purpose import batch, made_for, tell_scheme
from edgecls.core import Batch, Precision, Purpose

if TYPE_CHECKING:
    from edgecls.pipeline.everywhere import Limits

FOLDER = click.Path(path_type=Path)
trusted = click.option(
    "--trust-code", is_flag=True, help="Start a runner that is no installed kit's."
)
COUNT = click.IntRange(min=1)
ALL = "all"


@click.command()
@click.argument("checkpoint", type=FOLDER)
@click.option("--target", required=True, help="A runtime (`edgecls targets` lists them), or all.")
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="[default: fp32; with all: every one]",
)
@made_for
@batch
@click.option(
    "--out",
    type=FOLDER,
    help="The bundle's folder [default: <target>-<precision>; with all: bundles, for all of them].",
)
@click.option("--force", is_flag=True, help="Replace what is in --out.")
@click.option("--jobs", type=COUNT, help="With all: so many at once [default: cores and memory].")
@click.option(
    "--time-limit",
    type=click.FloatRange(1, 86_400),
    help="With all: seconds of each. [default: 1800]",
)
@click.option(
    "--memory",
    type=click.FloatRange(0.1, 10_000),
    help="With all: gigabytes of each [default: its share].",
)
def export(
    checkpoint: Path,
    target: str,
    precision: Precision | None,
    profile: str | None,
    batch: Batch,
    out: Path | None,
    force: bool,
    jobs: int | None,
    time_limit: float | None,
    memory: float | None,
) -> None:
    """Convert a checkpoint for a target and package it as a bundle that proves itself.

    With --target all, each conversion has a process of its own, several at once: one that crashes,
    hangs or fills the memory costs its own row. What stands already is used again.
    """
    from edgecls import targets

    if target == ALL:
        from edgecls.pipeline.everywhere import Limits

        limits = Limits(jobs or 0, time_limit or Limits.timeout_s, int(1e9 * (memory or 0)))
        purpose = Purpose(profile, batch)
        _everywhere(checkpoint, precision, purpose, out or Path("bundles"), force, limits)
        return
    _only_with_all(jobs, time_limit, memory)
    precisions = targets.get(target).precisions
    chosen: Precision = precision or ("fp32" if "fp32" in precisions else precisions[0])
    from edgecls.cli.display import display
    from edgecls.device.meta import bundle_sha256
    from edgecls.pipeline.single import export as convert

    folder = out or Path(f"{target}-{chosen}")
    with display().stage(f"converting for {target} in {chosen}"):
        written = convert(
            checkpoint, target, chosen, folder, force, purpose=Purpose(profile, batch)
        )
    tell_scheme(written)
    click.echo(f"bundle: {written}  sha256 {bundle_sha256(str(written))}")


def _only_with_all(jobs: int | None, time_limit: float | None, memory: float | None) -> None:
    from edgecls.errors import UsageError

    given = {"--jobs": jobs, "--time-limit": time_limit, "--memory": memory}
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} has no effect on one target", "leave it, or --target all")


def _everywhere(
    checkpoint: Path,
    precision: Precision | None,
    purpose: Purpose,
    out: Path,
    force: bool,
    limits: Limits,
) -> None:
    """Convert for all targets, print a line each, and exit with 1 where one failed."""
    from edgecls.cli.display import display, one_line
    from edgecls.pipeline.everywhere import export_everywhere

    found = export_everywhere(
        checkpoint,
        out,
        display(),
        precision=precision,
        purpose=purpose,
        force=force,
        limits=limits,
    )
    wide = max(len(row.name) for row in found)
    for row in found:
        told = one_line(row.outcome.reason)
        if row.outcome.status == "ok":
            took = f"{row.seconds:.1f} s" if row.seconds else "stood already"
            told = f"{row.size_bytes / 1e3:,.0f} kB  {row.folder}  {took}"
        click.echo(f"{row.name:<{wide}}  {row.outcome.status:<7}  {told}")
    fixes = {f"  fix: {row.name}: {one_line(row.outcome.fix)}" for row in found if row.outcome.fix}
    for line in sorted(fixes):
        click.echo(line, err=True)
    sys.exit(1 if any(row.outcome.status == "failed" for row in found) else 0)


@click.command()
@click.argument("bundle", type=FOLDER)
@trusted
def verify(bundle: Path, trust_code: bool) -> None:
    """Prove that a bundle, as a folder or an archive, is whole and still answers as it should."""
    from edgecls.packed import opened
    from edgecls.runner import Runner

    paths.there(paths.BUNDLE, bundle)
    with opened(bundle) as folder, Runner(folder, trust_code=trust_code) as runner:
        result = runner.ask({"do": "verify"})
    click.echo(json.dumps(result))
    sys.exit(0 if result["ok"] else 1)


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("images", type=FOLDER, nargs=-1, required=True)
@trusted
def predict(bundle: Path, images: tuple[Path, ...], trust_code: bool) -> None:
    """Classify images with a bundle: one line each, file, label and confidence."""
    from edgecls.packed import opened
    from edgecls.runner import Runner

    paths.there(paths.BUNDLE, bundle)
    with opened(bundle) as folder, Runner(folder, trust_code=trust_code) as runner:
        result = runner.ask({"do": "predict", "images": [str(p.resolve()) for p in images]})
    for shown, found in zip(images, result["predictions"], strict=True):
        if "error" in found:
            click.echo(f"{shown}\terror: {found['error']}", err=True)
            continue
        label = "rejected" if found["rejected"] else found["label"]
        click.echo(f"{shown}\t{label}\t{found['confidence']:.4f}")
    sys.exit(0 if result["ok"] else 1)
