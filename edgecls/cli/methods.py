"""``edgecls train``, ``distill`` and ``prune``: their flags follow from the methods' options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from edgecls import methods
from edgecls.cli.flags import DATA_HELP, Sectioned, flags
from edgecls.core import Method
from edgecls.recipe import load, parse, put
from edgecls.world import world


def summary(folder: Path) -> str:
    """What a checkpoint is worth, in a line."""
    from edgecls.models import checkpoint

    found = checkpoint.load(folder)
    scores = found.metrics["validation"]
    low, high = (f"{100 * scores[f'top1_{end}']:.1f}" for end in ("low", "high"))
    return (
        f"{found.arch}: {100 * scores['top1']:.2f} % right on {scores['num_images']:,} images of "
        f"validation (95 % interval {low}–{high}), {found.num_params:,} parameters, "
        f"{found.macs / 1e6:.1f} M MACs{_zeros(found.edits)}{_measured(found)}"
    )


def _zeros(edits: Sequence[Mapping[str, Any]]) -> str:
    """The share of weights that are zero, where the last thing done was to make them so."""
    if not edits or edits[-1].get("kind") != "sparsify":
        return ""
    counts = edits[-1]["zeros"].values()
    zeros, weights = (sum(pair[i] for pair in counts) for i in (0, 1))
    return f", {100 * zeros / weights:.1f} % zeros in the {len(counts)} layers made sparse"


def _measured(found: Any) -> str:
    """The latency of a cut that aimed at one, as it was measured before the fine-tuning."""
    cuts = [edit for edit in found.edits[-1:] if edit.get("kind") == "prune"]
    points = [point for edit in cuts for point in edit.get("measured") or ()]
    fitting = [point for point in points if point["macs"] == found.macs]
    if not fitting:
        return ""
    ms, uncut_ms = fitting[-1]["ms"], fitting[-1]["uncut_ms"]
    share = fitting[-1].get("ratio") or ms / uncut_ms
    return f", p50 {ms:.4g} ms where the uncut net has {uncut_ms:.4g} ms ({share:.2f} of it)"


def command(name: str) -> click.Command:
    """The command of a method."""
    method = methods.get(name)

    def body(
        data: str | None,
        out: Path,
        seed: int,
        overrides: tuple[str, ...],
        force: bool,
        device: str | None,
        threads: int | None,
        tensorboard: str | None,
        **given: Any,
    ) -> None:
        from edgecls.cli.display import display
        from edgecls.pipeline.single import apply_method

        tables = load(None, overrides)
        if data is not None:
            put(tables, "data.path", data)
        tables.setdefault("seed", seed)
        running = {"device": device, "threads": threads, "tensorboard": tensorboard}
        tables |= {key: value for key, value in running.items() if value is not None}
        options = {key: value for key, value in given.items() if value is not None}
        written = apply_method(name, options, parse(tables), out, display(), force)
        if world().is_first:
            click.echo(summary(written))
            click.echo(f"checkpoint: {written}")

    body.__doc__ = method.summary
    return _with_flags(method, body)


def _with_flags(method: Method, body: Callable[..., None]) -> click.Command:
    decorators = [
        click.option("--data", help=DATA_HELP),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("runs") / "checkpoints" / method.name,
            show_default=True,
            help="Where the checkpoint is written.",
        ),
        click.option("--seed", default=0, show_default=True),
        click.option("--device", help="auto, cpu, cuda, cuda:1 or mps [default: auto]"),
        click.option("--threads", type=int, help="CPU threads [default: every core]"),
        click.option("--tensorboard", help="A folder for TensorBoard's files."),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a key of the recipe, such as data.size=64.",
        ),
        click.option("--force", is_flag=True, help="Replace what is in --out."),
    ]
    for decorate in reversed([*decorators, *flags(method)]):
        body = decorate(body)
    return click.command(name=method.name, cls=Sectioned)(body)


train, finetune, distill, prune, sparsify, qat = (
    command(name) for name in ("train", "finetune", "distill", "prune", "sparsify", "qat")
)
