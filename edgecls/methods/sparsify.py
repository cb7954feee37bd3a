"""Sparsity: single weights become zero, and the net keeps its shape.

Who gains from it is few: NVIDIA GPUs from Ampere on run 2:4 on sparse tensor cores through TensorRT
(its builder takes them only where it measures a gain, mostly in large layers in fp16 and int8);
OpenVINO packs sparse int8 matrices on Xeons with AMX, if told to; a download or an update shrinks
when it is compressed. ONNX Runtime's and OpenVINO's kernels on other CPUs multiply zeros like any
number. To be quicker everywhere, prune channels instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from edgecls.core import Context, Workload
from edgecls.train.options import TaughtOptions

if TYPE_CHECKING:
    from torch import nn

    from edgecls.train.losses import Loss
    from edgecls.train.sparsity import Pattern


class SparsifyOptions(TaughtOptions):
    """Options of ``edgecls sparsify``."""

    # A fifth of a fresh net's: what stays is near a good place.
    sgd_lr: ClassVar[float] = 0.04
    passes: ClassVar[tuple[str, ...]] = ("epochs", "ramp_epochs")

    model: str = Field(description="the model or checkpoint to make sparse")
    teacher: str | None = Field(None, description="who teaches the fine-tuning (default: model)")
    pattern: Literal["unstructured", "2:4", "1:4"] = Field(
        "unstructured", description="any weights, or two (one) left of every four input channels"
    )
    sparsity: float = Field(
        0.8,
        gt=0,
        lt=1,
        description="unstructured: share of zeros in the layers between the first and the last",
    )
    scope: Literal["global", "layer"] = Field(
        "global", description="unstructured: weights compete in the whole net, or in each layer"
    )
    ramp_epochs: int = Field(
        6, ge=0, description="unstructured: passes in which the zeros become more (0: at once)"
    )
    epochs: int = Field(8, ge=0, description="passes of the fine-tuning, with the zeros held")

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        for name in ("sparsity", "scope", "ramp_epochs"):
            if self.pattern != "unstructured" and name in self.model_fields_set:
                raise ValueError(f"{name} has no effect: it needs pattern unstructured")
        return self

    @property
    def ramped(self) -> int:
        """The epochs before the zeros are all there; a fixed pattern is there at once."""
        return self.ramp_epochs if self.pattern == "unstructured" else 0


class Sparsify:
    """A copy of `model` in which most weights, or half of each four, are zero."""

    name = "sparsify"
    version = 1
    summary = (
        "Set single weights to zero: smaller downloads; quicker with 2:4 on NVIDIA GPUs alone, not"
        " on CPUs."
    )
    Options: ClassVar[type[BaseModel]] = SparsifyOptions
    parents: tuple[str, ...] = ("model", "teacher")
    packages: tuple[str, ...] = ("torch", "torchvision")
    holds_zeros = True

    def apply(
        self, parents: Mapping[str, Path], options: SparsifyOptions, context: Context, out: Path
    ) -> None:
        from edgecls.models import checkpoint
        from edgecls.train import fit, produce, sparsity, teachers

        fit.set_up(context.threads, context.seed)
        parent = produce.read_parent(parents["model"], context)
        loss = teachers.loss_beside(parents, options, context)
        net = checkpoint.module(parent)
        before = sparsity.compressed_bytes(net)
        pattern = sparsity.Pattern.parse(options.pattern, options.scope)
        curves = _train(net, loss, pattern, options, context)
        edit = {
            "kind": "sparsify",
            "version": 1,
            "pattern": options.pattern,
            "zeros": {n: list(count) for n, count in sparsity.zeros(net, pattern).items()},
            "compressed_bytes": [before, sparsity.compressed_bytes(net)],
        }
        edits = [*parent.edits, edit]
        produce.save(out, net, parent.arch, curves, self, options, parents, context, edits)

    def arch(self, parents: Mapping[str, str], options: SparsifyOptions) -> str:
        return parents["model"]

    def plan(self, parents: Mapping[str, str], options: SparsifyOptions, work: Workload) -> float:
        """Raises UsageError for a net without a layer that can be made sparse."""
        from edgecls.models import zoo
        from edgecls.train import estimate, sparsity

        arch, channels = parents["model"], work.preprocess.channels
        net = zoo.build(arch, work.num_classes, channels, work.preprocess.size)
        sparsity.layers(net, sparsity.Pattern.parse(options.pattern))
        trained = options.model_copy(update={"epochs": options.epochs + options.ramped})
        teacher = parents.get("teacher", arch)
        share = trained.taught_share
        return estimate.training_seconds(arch, trained, work, teacher, taught=share)


def _train(
    net: nn.Module, loss: Loss, pattern: Pattern, options: SparsifyOptions, context: Context
) -> list[dict[str, float]]:
    """The zeros become more, then stay; each training goes on where it was killed."""
    from edgecls.models.normalise import Normalise
    from edgecls.train import fit, sparsity

    share, ramped = options.sparsity, options.ramped
    curves: list[dict[str, float]] = []
    if ramped:
        rising = sparsity.Held(pattern, lambda epoch, of: sparsity.ramp(share, epoch, of))
        # The best epoch of these may have too few zeros.
        first = options.model_copy(update={"epochs": ramped, "keep": "last", "patience": 0})
        workdir = context.workdir / "ramp"
        workdir.mkdir(exist_ok=True)
        apart = replace(context, workdir=workdir)
        curves += fit.fit(net, loss, first, apart, hook=rising, views=options.views)
    final = sparsity.masks(sparsity.layers(net, pattern), pattern, share)
    sparsity.zero(net, final)
    if options.epochs:

        def log(figures: Mapping[str, float]) -> None:
            context.log({**figures, "epoch": figures["epoch"] + ramped})

        held = sparsity.Held(pattern, lambda epoch, of: share)
        told = replace(context, log=log)
        for row in fit.fit(net, loss, options, told, hook=held, views=options.views):
            curves.append({**row, "epoch": row["epoch"] + ramped})
        # An average of weights over the first steps may hold what was zero only afterwards.
        sparsity.zero(net, final)
    elif len(context.data["train"][0]) > 1:
        some = context.data["train"][0][:2048]
        fit.reestimate_batchnorm(net, Normalise(context.data.preprocess), some)
    return curves


METHOD = Sparsify()
