"""Structured pruning: whole channels are cut, so that every runtime gains (DepGraph, CVPR 2023).

Channels that hang together are ranked by what they are worth, over all layers but only among those
of equal structure (isomorphic pruning, ECCV 2024), and cut until the net needs so few
multiply-accumulates, parameters or bytes, or is so quick on a target, as was asked. The net is
then fine-tuned with its parent as the teacher.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from edgecls.core import Context, Workload
from edgecls.train.pruning.options import PruneOptions

# Of a conversion and a measurement of it, and how many there are.
SECONDS_A_MEASUREMENT, MEASUREMENTS = 20.0, 8


class Prune:
    """A cut and fine-tuned copy of `model`."""

    name = "prune"
    version = 3
    summary = "Cut channels until a model is as small or as quick as asked, and fine-tune it."
    Options: ClassVar[type[BaseModel]] = PruneOptions
    parents: tuple[str, ...] = ("model", "teacher")
    packages: tuple[str, ...] = ("torch", "torchvision", "torch-pruning")

    def apply(
        self, parents: Mapping[str, Path], options: PruneOptions, context: Context, out: Path
    ) -> None:
        from edgecls.models import checkpoint
        from edgecls.train import fit, produce, teachers
        from edgecls.train.pruning.course import Course

        fit.set_up(context.threads, context.seed)
        parent = produce.read_parent(parents["model"], context)
        loss = teachers.loss_beside(parents, options, context)
        course = Course(checkpoint.module(parent), parent, loss, options, context)
        edits = [*parent.edits, course.run()]
        produce.save(
            out, course.net, parent.arch, course.curves, self, options, parents, context, edits
        )

    def arch(self, parents: Mapping[str, str], options: PruneOptions) -> str:
        return parents["model"]

    def plan(self, parents: Mapping[str, str], options: PruneOptions, work: Workload) -> float:
        """An upper bound: the cut net is quicker than the whole one.

        Raises UsageError for a net that cannot be cut, or not so far.
        """
        from edgecls.models import zoo
        from edgecls.train import estimate
        from edgecls.train.pruning import course

        arch, channels = parents["model"], work.preprocess.channels
        size = work.preprocess.size
        net = zoo.build(arch, work.num_classes, channels, size)
        course.check(net, (channels, *size), options)
        teacher = parents.get("teacher", arch)
        trained = options.model_copy(update={"epochs": options.all_epochs})
        share = trained.taught_share
        seconds = estimate.training_seconds(arch, trained, work, teacher, taught=share)
        if options.goal.startswith("latency"):
            seconds += SECONDS_A_MEASUREMENT * MEASUREMENTS * options.steps
        return seconds


METHOD = Prune()
