"""Training from fresh weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, Field

from edgecls.core import Context, Workload
from edgecls.train.options import FitOptions


class TrainOptions(FitOptions):
    """Options of ``edgecls train``."""

    arch: str = Field("resnet8", description="the net: resnet8, resnet20, or one of torchvision")


class Train:
    """The net of `arch`, trained on labels alone."""

    name = "train"
    version = 2
    summary = "Train a net from fresh weights."
    Options: ClassVar[type[BaseModel]] = TrainOptions
    parents: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("torch", "torchvision")

    def apply(
        self, parents: Mapping[str, Path], options: TrainOptions, context: Context, out: Path
    ) -> None:
        from edgecls.train import fit, losses, produce, start

        fit.set_up(context.threads, context.seed)
        net = start.fresh(options.arch, options, context)
        curves = fit.fit(net, losses.hard(options, context.data), options, context)
        produce.save(out, net, options.arch, curves, self, options, parents, context)

    def arch(self, parents: Mapping[str, str], options: TrainOptions) -> str:
        return options.arch

    def plan(self, parents: Mapping[str, str], options: TrainOptions, work: Workload) -> float:
        from edgecls.train import estimate

        return estimate.training_seconds(options.arch, options, work)


METHOD = Train()
