"""Structured pruning: whole channels are cut, so that every runtime gains (DepGraph, CVPR 2023).

Channels are ranked by the norm of their group, over all layers at once but layer shapes apart
(isomorphic pruning, ECCV 2024), until the multiply-accumulates are the wanted factor fewer. Then
BatchNorm is estimated anew and the net is fine-tuned, with its parent as the teacher.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, Field

from edgecls.core import Context, Workload
from edgecls.errors import EdgeclsError, UsageError
from edgecls.train.options import FitOptions

if TYPE_CHECKING:
    from torch import nn

STEPS = 40


class PruneOptions(FitOptions):
    """Options of ``edgecls prune``."""

    sgd_lr: ClassVar[float] = 0.4

    model: str = Field(description="the model or checkpoint to prune")
    teacher: str | None = Field(None, description="who teaches the fine-tuning (default: model)")
    macs_ratio: float = Field(2.0, gt=1, description="how many times fewer MACs to aim at")
    round_to: int = Field(8, ge=1, description="channels are left in multiples of this")
    epochs: int = Field(14, ge=0, description="passes of the fine-tuning")
    temperature: float = Field(4.0, gt=0, description="softens both answers")
    alpha: float = Field(0.9, ge=0, le=1, description="weight of the teacher against the labels")


class Prune:
    """A cut and fine-tuned copy of `model`."""

    name = "prune"
    version = 2
    summary = "Cut channels until a model needs fewer multiply-accumulates, and fine-tune it."
    Options: ClassVar[type[BaseModel]] = PruneOptions
    parents: tuple[str, ...] = ("model", "teacher")
    packages: tuple[str, ...] = ("torch", "torchvision", "torch-pruning")

    def apply(
        self, parents: Mapping[str, Path], options: PruneOptions, context: Context, out: Path
    ) -> None:
        from edgecls.models import checkpoint, edits
        from edgecls.models.normalise import Normalise
        from edgecls.train import fit, losses, produce

        fit.set_up(context.threads, context.seed)
        before = produce.read_parent(parents["model"], context)
        net = checkpoint.module(before)
        teacher = produce.load_parent(parents.get("teacher", parents["model"]), context)
        widths = _widths(net)
        history = cut(net, before.input_shape, options.macs_ratio, options.round_to)
        edit = edits.prune_edit(history, widths, _widths(net))
        fit.reestimate_batchnorm(
            net, Normalise(context.data.preprocess), context.data["train"][0][:2048]
        )
        curves: list[dict[str, float]] = []
        if options.epochs:
            on_labels = losses.hard(options, context.data)
            loss = losses.distillation(teacher, options.temperature, options.alpha, on_labels)
            curves = fit.fit(net, loss, options, context)
        produce.save(
            out, net, before.arch, curves, self, options, parents, context, [*before.edits, edit]
        )

    def arch(self, parents: Mapping[str, str], options: PruneOptions) -> str:
        return parents["model"]

    def plan(self, parents: Mapping[str, str], options: PruneOptions, work: Workload) -> float:
        """An upper bound: the cut net is quicker than the whole one."""
        from edgecls.train import estimate

        teacher = parents.get("teacher", parents["model"])
        return estimate.training_seconds(parents["model"], options, work, teacher)


def cut(
    net: nn.Module, input_shape: tuple[int, int, int], macs_ratio: float, round_to: int
) -> list[Any]:
    """Cut `net` in place to at most 1/`macs_ratio` of its MACs; returns the history of the cut.

    input_shape: (C, H, W). Raises UsageError where the net cannot be cut so far.
    """
    import torch
    import torch_pruning

    from edgecls.models import cost

    for parameter in net.parameters():
        parameter.requires_grad_(True)
    goal = cost.count(net, input_shape)[0] / macs_ratio
    classifier = [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1:]
    try:
        pruner = torch_pruning.pruner.BasePruner(
            net,
            torch.zeros(1, *input_shape),
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            global_pruning=True,
            isomorphic=True,
            pruning_ratio=0.95,
            iterative_steps=STEPS,
            round_to=round_to,
            ignored_layers=classifier,
            # Mutable defaults of torch-pruning leak from one pruner to the next.
            out_channel_groups={},
            in_channel_groups={},
        )
        for _ in range(STEPS):
            pruner.step()
            if cost.count(net, input_shape)[0] <= goal:
                return [list(step) for step in pruner.pruning_history()]
    except (RuntimeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise EdgeclsError(
            f"torch-pruning cannot cut this net: {error}", "leave it uncut, or use another net"
        ) from error
    reached = goal * macs_ratio / cost.count(net, input_shape)[0]
    raise UsageError(
        f"the net cannot be cut to {macs_ratio:g}× fewer MACs, only to {reached:.2f}×",
        "lower macs_ratio or round_to",
    )


def _widths(net: nn.Module) -> dict[str, int]:
    """Layer -> output channels."""
    import torch

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    return {name: m.weight.shape[0] for name, m in net.named_modules() if isinstance(m, kinds)}


METHOD = Prune()
