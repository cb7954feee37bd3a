"""Quantization-aware training: a net learns to live with int8, with itself in float as the teacher.

Activations are rounded to symmetric int8 with a step that is learned, weights to symmetric int8 per
channel; BatchNorm and the steps are frozen late. The one graph that comes of it serves every target
that takes QDQ: see `edgecls.qdq`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, computed_field

from edgecls import hardware
from edgecls.core import Context, Precision, Workload
from edgecls.errors import UsageError
from edgecls.train.options import Precision as Products
from edgecls.train.options import TaughtOptions

# Of a step, beside one in float.
SLOWER = 1.5


class QatOptions(TaughtOptions):
    """Options of ``edgecls qat``."""

    # A twentieth of a fresh net's: the net is near a good place.
    sgd_lr: ClassVar[float] = 0.01

    model: str = Field(description="the model or checkpoint to train for int8")
    teacher: str | None = Field(None, description="who teaches it (default: model, in float)")
    epochs: int = Field(6, ge=1, le=100_000, description="passes over the training images")
    reduce_range: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="weights in 7 bits, for x86 without VNNI; auto: as this machine needs it",
    )
    freeze_bn: float = Field(
        0.5, ge=0, le=1, description="share of the epochs after which BatchNorm is frozen"
    )
    freeze_observers: float = Field(
        0.75, ge=0, le=1, description="share of the epochs after which the activations' steps stay"
    )
    clip_norm: float = Field(
        1.0, ge=0, description="largest norm of a gradient (0: any); without, a frozen net diverges"
    )
    precision: Products = Field(
        "fp32", description="of the training's products; less than fp32 blurs what is rounded"
    )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_reduced(self) -> bool:
        """What `reduce_range` comes to on this machine."""
        if self.reduce_range == "auto":
            return hardware.saturates(hardware.here())
        return self.reduce_range == "yes"


class Qat:
    """A copy of `model` that was trained for int8."""

    name = "qat"
    version = 2
    summary = "Train a model for int8, with its own float answers as the teacher."
    Options: ClassVar[type[BaseModel]] = QatOptions
    parents: tuple[str, ...] = ("model", "teacher")
    packages: tuple[str, ...] = ("torch", "torchvision")
    trains_for: Precision = "int8"

    def apply(
        self, parents: Mapping[str, Path], options: QatOptions, context: Context, out: Path
    ) -> None:
        from edgecls.models import checkpoint
        from edgecls.models.normalise import Normalise
        from edgecls.models.quantized import edit, trace
        from edgecls.train import fit, produce, qat, teachers

        fit.set_up(context.threads, context.seed)
        before = produce.read_parent(parents["model"], context)
        if before.is_quantized:
            raise UsageError(
                f"{parents['model']} is trained for int8 already",
                "start from the model that it was trained from",
            )
        net = trace.prepared(checkpoint.module(before), before.input_shape, options.is_reduced)
        normalise = Normalise(context.data.preprocess)
        qat.choose_steps(net, normalise, context.data["calibration"][0])
        loss = teachers.loss_beside(parents, options, context)
        some = qat.spread(context.data["train"][0], context.seed)
        hook = qat.Freezing(options.freeze_bn, options.freeze_observers, normalise, some)
        curves = fit.fit(net, loss, options, context, hook=hook, views=options.views)
        edits = [*before.edits, edit.edit_of(net, options.is_reduced)]
        produce.save(out, net, before.arch, curves, self, options, parents, context, edits)

    def arch(self, parents: Mapping[str, str], options: QatOptions) -> str:
        return parents["model"]

    def plan(self, parents: Mapping[str, str], options: QatOptions, work: Workload) -> float:
        """Raises UsageError for a net that int8 cannot be put into."""
        from edgecls.models import zoo
        from edgecls.models.quantized import trace
        from edgecls.train import estimate

        preprocess = work.preprocess
        shape = (preprocess.channels, *preprocess.size)
        net = zoo.build(parents["model"], work.num_classes, shape[0], preprocess.size)
        trace.prepared(net, shape, options.is_reduced)
        teacher = parents.get("teacher", parents["model"])
        arch, share = parents["model"], options.taught_share
        return SLOWER * estimate.training_seconds(arch, options, work, teacher, taught=share)


METHOD = Qat()
