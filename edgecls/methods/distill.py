"""Knowledge distillation: a student learns the softened answers of one or more teachers.

Hinton et al. 2015; decoupled: Zhao et al., CVPR 2022; feature hints: Romero et al., ICLR 2015.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, Field, computed_field, field_validator, model_validator

from edgecls.core import Context, Dataset, Workload
from edgecls.train.options import TaughtOptions

if TYPE_CHECKING:
    from torch import nn

    from edgecls.train.losses import Loss


class DistillOptions(TaughtOptions):
    """Options of ``edgecls distill``."""

    sgd_lr: ClassVar[float] = 0.4

    teacher: list[str] = Field(
        min_length=1, description="the model or checkpoint to learn from; several are averaged"
    )
    arch: str = Field("resnet8", description="the student's net")
    weights: str | None = Field(
        None,
        min_length=1,
        description="pretrained weights that the student begins with: torchvision's name, a file "
        "or a checkpoint's folder",
    )
    hints: float = Field(
        0.0, ge=0, description="weight of the features' directions being the teacher's (0: none)"
    )
    hint_layers: list[str] = Field(
        [], description="hints: student_layer:teacher_layer (the last feature maps)"
    )
    unlabelled: str | None = Field(
        None, description="a folder of images without labels, to learn from the teacher alone"
    )

    @field_validator("teacher", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        for name, count in Counter(map(os.path.normpath, self.teacher)).items():
            if count > 1:
                raise ValueError(f"teacher names {name} twice: name it once")
        if self.hint_layers and not self.hints:
            raise ValueError("hint_layers has no effect: it needs hints above 0")
        if self.unlabelled and self.sampling == "balanced":
            raise ValueError("sampling balanced has no classes for unlabelled images: leave one")
        if self.unlabelled and not self.alpha:
            raise ValueError("unlabelled has no effect: it needs alpha above 0")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def material_sha256(self) -> list[str]:
        """Of what `weights` and `unlabelled` name: another content is another training."""
        from edgecls.data import unlabelled
        from edgecls.models import checkpoint

        return [
            checkpoint.digest(Path(self.weights)) if self.weights else "",
            unlabelled.sha256_of(Path(self.unlabelled)) if self.unlabelled else "",
        ]


class Distill:
    """A student of `arch`, trained on the teachers' answers and the labels."""

    name = "distill"
    version = 3
    summary = "Train a small net to answer as a teacher does."
    Options: ClassVar[type[BaseModel]] = DistillOptions
    parents: tuple[str, ...] = ("teacher",)
    packages: tuple[str, ...] = ("torch", "torchvision")

    def apply(
        self, parents: Mapping[str, Path], options: DistillOptions, context: Context, out: Path
    ) -> None:
        from edgecls.train import fit, losses, produce, start, teachers

        fit.set_up(context.threads, context.seed)
        found = [teachers.load(folder, options, context) for folder in parents.values()]
        on_labels = losses.hard(options, context.data)
        context = replace(context, data=_material(options, context))
        student = start.fresh(options.arch, options, context)
        if options.weights:
            _begin_with(student, options.arch, options.weights, context, out)
        # A hint reads what the teacher computes, so its answers cannot be taken from the disk.
        asked = replace(context, shared=None) if options.hints else context
        loss = teachers.loss(found, options, asked, on_labels)
        learner = student
        if options.hints:
            learner, loss = _hinted(student, found[0].net, options, context, loss)
        curves = fit.fit(learner, loss, options, context, views=options.views)
        produce.save(out, student, options.arch, curves, self, options, parents, context)

    def arch(self, parents: Mapping[str, str], options: DistillOptions) -> str:
        return options.arch

    def plan(self, parents: Mapping[str, str], options: DistillOptions, work: Workload) -> float:
        from edgecls.models import weights
        from edgecls.train import estimate

        if options.weights:
            weights.check(options.arch, options.weights)
        share = 1.0 if options.hints else options.taught_share
        return estimate.training_seconds(
            options.arch, options, work, *parents.values(), taught=share
        )


def _material(options: DistillOptions, context: Context) -> Dataset:
    """The data, with the images without labels behind those of the training split."""
    import numpy as np

    from edgecls.data import unlabelled

    data = context.data
    if options.unlabelled is None:
        return data
    more = unlabelled.load(Path(options.unlabelled), data, context.workdir, context.progress)
    left_out = "".join(f"; {count} {reason}" for reason, count in more.left_out.items())
    context.progress.step(0, options.epochs, f"{len(more.images)} images without labels{left_out}")
    images, classes = data["train"]
    joined = unlabelled.Joined(images, more.images)
    nameless = np.full(len(more.images), unlabelled.NO_LABEL, np.int64)
    train = (joined, np.concatenate([np.asarray(classes), nameless]))
    return replace(data, splits={**data.splits, "train": train})


def _begin_with(net: nn.Module, arch: str, weights: str, context: Context, out: Path) -> None:
    from edgecls.models import pretrained
    from edgecls.models import weights as files

    loaded = pretrained.load(net, files.read(arch, weights), context.data.preprocess)
    context.progress.step(0, 1, loaded.sentence())
    loaded.write(out)


def _hinted(
    student: nn.Module, teacher: nn.Module, options: DistillOptions, context: Context, loss: Loss
) -> tuple[nn.Module, Loss]:
    import torch

    from edgecls.train import hints

    preprocess = context.data.preprocess
    example = torch.zeros(2, preprocess.channels, *preprocess.size)
    student.to(context.device)
    example = example.to(context.device)
    pairs = hints.pairs_of(options.hint_layers) or [hints.last_layers(student, teacher, example)]
    return hints.attach(student, teacher, pairs, example, options.hints, loss)


METHOD = Distill()
