"""What every training method does before and after `fit`: its parents, its price, its checkpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgecls import hardware
from edgecls.core import Context, Method
from edgecls.errors import UsageError
from edgecls.models import checkpoint, zoo
from edgecls.models.checkpoint import Checkpoint
from edgecls.models.normalise import Normalise
from edgecls.train.fit import predict, set_up
from edgecls.train.metrics import summarize
from edgecls.train.options import FitOptions


def read_parent(folder: Path, context: Context) -> Checkpoint:
    """A parent's checkpoint. Raises UsageError where it is for other labels or another input."""
    parent = checkpoint.load(folder)
    if parent.labels != context.data.labels:
        raise UsageError(
            f"{folder} knows other classes than the data: {', '.join(parent.labels[:8])} …",
            "use the data that it was trained on",
        )
    if parent.preprocess != context.data.preprocess:
        raise UsageError(
            f"{folder} takes another input than the data was prepared for",
            f"prepare the data with size {list(parent.preprocess.size)}, mode "
            f"{parent.preprocess.mode} and resize {parent.preprocess.resize}",
        )
    return parent


def load_parent(folder: Path, context: Context) -> nn.Module:
    """A parent as a teacher: in evaluation mode, without gradients."""
    net: nn.Module = checkpoint.module(read_parent(folder, context))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.requires_grad_(False)


def save(
    out: Path,
    net: nn.Module,
    arch: str,
    curves: Sequence[Mapping[str, float]],
    method: Method,
    options: FitOptions,
    parents: Mapping[str, Path],
    context: Context,
    edits: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the checkpoint of a trained net with its validation metrics and provenance."""
    images, classes = context.data["validation"]
    logits = predict(net, Normalise(context.data.preprocess), images)
    checkpoint.save(
        out,
        net,
        arch,
        context.data,
        metrics={"validation": summarize(logits, np.asarray(classes), context.data.labels)},
        provenance={
            "method": method.name,
            "options": options.model_dump(),
            "seed": context.seed,
            "data": context.data.fingerprint,
            "parents": {
                name: checkpoint.load(folder).weights_sha256 for name, folder in parents.items()
            },
            "versions": hardware.versions(("edgecls", *method.packages)),
        },
        curves=curves,
        edits=edits,
    )


def plan_arch(parent: Path | str) -> str:
    """A parent's net: of a checkpoint that exists, or the name that a plan gives."""
    return checkpoint.load(parent).arch if isinstance(parent, Path) else parent


def training_seconds(
    arch: str, options: FitOptions, context: Context, teacher: str | None = None
) -> float:
    """The estimated seconds of a training: a few timed steps, times their number.

    A teacher adds its forward pass.
    """
    set_up(context.threads, context.seed)
    preprocess, count = context.data.preprocess, len(context.data["train"][0])
    batch = torch.zeros(min(options.batch_size, count), preprocess.channels, *preprocess.size)
    batch = batch.contiguous(memory_format=torch.channels_last)

    def net(name: str) -> nn.Module:
        built = zoo.build(name, len(context.data.labels), preprocess.channels, preprocess.size)
        return built.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    seconds = _timed(net(arch), batch, backward=True)
    if teacher is not None:
        seconds += _timed(net(teacher), batch, backward=False)
    # Augmentation, the optimizer and validation come on top: a fifth in measurements.
    return 1.2 * seconds * options.epochs * max(1, round(count / len(batch)))


def _timed(net: nn.Module, batch: torch.Tensor, backward: bool) -> float:
    """Seconds of one step: the quicker of two after one to warm up."""
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        with torch.set_grad_enabled(backward):
            value = net(batch).float().pow(2).mean()
        if backward:
            value.backward()
        taken.append(time.perf_counter() - begin)
    return min(taken[1:])
