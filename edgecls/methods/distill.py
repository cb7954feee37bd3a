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

    sgd_lr: ClassVar[float] = 0.4

    teacher: str = Field(description="the model or checkpoint to learn from")
    arch: str = Field("resnet8", description="the student's net")
    temperature: float = Field(4.0, gt=0, description="softens both answers")
    alpha: float = Field(0.9, ge=0, le=1, description="weight of the teacher against the labels")


class Distill:
    """A student of `arch`, trained on the teacher's answers and the labels."""

    name = "distill"
    version = 2
    summary = "Train a small net to answer as a teacher does."
    Options: ClassVar[type[BaseModel]] = DistillOptions
    parents: tuple[str, ...] = ("teacher",)
    packages: tuple[str, ...] = ("torch", "torchvision")

    def apply(
        self, parents: Mapping[str, Path], options: DistillOptions, context: Context, out: Path
    ) -> None:
        from edgecls.train import fit, losses, produce, start

        fit.set_up(context.threads, context.seed)
        teacher = produce.load_parent(parents["teacher"], context)
        net = start.fresh(options.arch, options, context)
        loss = losses.distillation(
            teacher, options.temperature, options.alpha, losses.hard(options, context.data)
        )
        curves = fit.fit(net, loss, options, context)
        produce.save(out, net, options.arch, curves, self, options, parents, context)

    def arch(self, parents: Mapping[str, str], options: DistillOptions) -> str:
        return options.arch

    def plan(self, parents: Mapping[str, str], options: DistillOptions, work: Workload) -> float:
        from edgecls.train import estimate

        return estimate.training_seconds(options.arch, options, work, parents["teacher"])


METHOD = Distill()
