"""Knowledge distillation: a student learns the teacher's softened answers (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, Field

from edgecls.core import Context, Workload
from edgecls.train.options import FitOptions


class DistillOptions(FitOptions):
    """Options of ``edgecls distill``."""

    teacher: str = Field(description="the model or checkpoint to learn from")
    arch: str = Field("resnet8", description="the student's net")
    lr: float = Field(0.4, gt=0, description="peak learning rate, per 256 images of a batch")
    temperature: float = Field(4.0, gt=0, description="softens both answers")
    alpha: float = Field(0.9, ge=0, le=1, description="weight of the teacher against the labels")


class Distill:
    """A student of `arch`, trained on the teacher's answers and the labels."""

    name = "distill"
    version = 1
    summary = "Train a small net to answer as a teacher does."
    Options: ClassVar[type[BaseModel]] = DistillOptions
    parents: tuple[str, ...] = ("teacher",)
    packages: tuple[str, ...] = ("torch", "torchvision")

    def apply(
        self, parents: Mapping[str, Path], options: DistillOptions, context: Context, out: Path
    ) -> None:
        from edgecls.models import zoo
        from edgecls.train import fit, losses, produce

        fit.set_up(context.threads, context.seed)
        data = context.data
        teacher = produce.load_parent(parents["teacher"], context)
        net = zoo.build(
            options.arch, len(data.labels), data.preprocess.channels, data.preprocess.size
        )
        hard = losses.cross_entropy(options.label_smoothing)
        loss = losses.distillation(teacher, options.temperature, options.alpha, hard)
        curves = fit.fit(net, loss, options, context)
        produce.save(out, net, options.arch, curves, self, options, parents, context)

    def arch(self, parents: Mapping[str, str], options: DistillOptions) -> str:
        return options.arch

    def plan(self, parents: Mapping[str, str], options: DistillOptions, work: Workload) -> float:
        from edgecls.train import estimate

        return estimate.training_seconds(options.arch, options, work, parents["teacher"])


METHOD = Distill()
