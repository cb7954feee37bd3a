"""The course of a pruning: sparse learning, one or more cuts, a training after each.

Every step is kept in the work folder and is not done again after a kill: the trainings with their
last epoch, and what was cut as JSON, so that a fine-tuning goes on with the very same net.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgecls.core import Context
from edgecls.models import cuts
from edgecls.models.checkpoint import Checkpoint
from edgecls.models.edits import Edit, cut_edit
from edgecls.models.normalise import Normalise
from edgecls.rundir import write_text
from edgecls.train import fit, parallel
from edgecls.train.hooks import Hook
from edgecls.train.losses import Loss
from edgecls.train.pruning import goals, groups, ranking
from edgecls.train.pruning.choosing import Ranking, rank, step_of
from edgecls.train.pruning.cutting import cut
from edgecls.train.pruning.goals import Goal
from edgecls.train.pruning.groups import Group
from edgecls.train.pruning.latency import Measured
from edgecls.train.pruning.options import GOALS, PruneOptions
from edgecls.train.pruning.sparse import GroupSparsity

# Training images that BatchNorm's statistics come from after a cut.
BATCHNORM_IMAGES = 4096


@dataclass
class Course:
    """A pruning of `net`, which is changed in place. curves: of all its trainings, one by one."""

    net: nn.Module
    parent: Checkpoint
    loss: Loss
    options: PruneOptions
    context: Context
    curves: list[dict[str, float]] = field(default_factory=list)

    def run(self) -> Edit:
        """Do all of it; returns what was done to the structure."""
        options, shape = self.options, self.parent.input_shape
        whole = cuts.forms(self.net)
        before = _prices(self.net, shape)
        check(self.net, shape, options)
        if options.sparse_epochs:
            hook = GroupSparsity(self._groups(), options.sparse_reg)
            changes = {"lr": options.sparse_lr, "keep": "last", "patience": 0}
            self._train("sparse", options.sparse_epochs, changes, hook)
        decided: dict[str, Any] = {}
        for step in range(1, options.steps + 1):
            decided = self._cut(step, before, whole)
            if step < options.steps:
                self._train(f"step-{step}", options.step_epochs, {})
        if options.epochs:
            self._train("", options.epochs, {})
        layers = cuts.changed(whole, cuts.forms(self.net))
        told = {
            "importance": options.importance,
            "goal": decided["goal"],
            "before": before,
            "after": _prices(self.net, shape),
            "measured": decided["measured"],
        }
        return cut_edit(layers, widths(whole, layers), told)

    def _groups(self) -> list[Group]:
        options = self.options
        return groups.find(self.net, self.parent.input_shape, options.protect, options.protect_stem)

    def _train(
        self, folder: str, epochs: int, changes: Mapping[str, Any], hook: Hook | None = None
    ) -> None:
        """A training with a state of its own; its epochs are counted on from the last one's."""
        begun = len(self.curves)
        workdir = self.context.workdir / folder
        workdir.mkdir(exist_ok=True)

        def log(figures: Mapping[str, float]) -> None:
            self.context.log({**figures, "epoch": figures["epoch"] + begun})

        options = self.options.model_copy(update={"epochs": epochs, **changes})
        context = replace(self.context, workdir=workdir, log=log)
        for row in fit.fit(self.net, self.loss, options, context, hook=hook, views=options.views):
            self.curves.append({**row, "epoch": row["epoch"] + begun})

    def _cut(self, step: int, before: Mapping[str, float], whole: cuts.Record) -> dict[str, Any]:
        """Cut for the step's goal, as was decided once, and estimate BatchNorm anew."""
        place = parallel.join(torch.device(self.context.device))
        found = self._groups()
        decided = _kept(self.context.workdir / f"cut-{step}.json", found)
        if decided is None and place.is_first:
            decided = self._decide(step, found, before, whole)
        decided = dict(parallel.shared(decided, place))
        cut(self.net, [(group, decided["drops"][group.name]) for group in found])
        images = self.context.data["train"][0]
        rows = np.random.default_rng(self.context.seed).permutation(len(images))
        some = images[np.sort(rows[:BATCHNORM_IMAGES])]
        normalise = Normalise(self.context.data.preprocess)
        if len(some) > 1:
            fit.reestimate_batchnorm(self.net, normalise, some)
        return decided

    def _decide(
        self, step: int, found: Sequence[Group], before: Mapping[str, float], whole: cuts.Record
    ) -> dict[str, Any]:
        options, shape = self.options, self.parent.input_shape
        context = self.context
        worth = ranking.scores(self.net, found, options.importance, context.data, context.seed)
        ranked = _rank(found, worth, options, whole)
        kind = GOALS[options.goal]
        measured: list[Mapping[str, Any]] = []
        if kind == "latency":
            path = self.context.workdir / f"measured-{step}.json"
            priced = Measured(self.net, self.parent, ranked, options, self.context, path, whole)
            uncut = priced.uncut_ms() if options.latency_ms is not None else 1.0
            goal = _goal(options, uncut, step)
            choice = goals.search_measured(ranked, goal, priced, uncut)
            measured = priced.told()
        else:
            goal = _goal(options, before[kind], step)
            counted = goals.counted(self.net, shape, ranked, goal.kind)
            choice = goals.search(ranked, goal, counted, before[kind])
        drops = {group.name: list(units) for group, units in ranked.drops(choice)}
        decided = {"drops": drops, "goal": goal.to_json(), "measured": measured}
        path = self.context.workdir / f"cut-{step}.json"
        write_text(path, json.dumps(decided, indent=1) + "\n")
        return decided


def _prices(net: nn.Module, shape: groups.Shape) -> dict[str, float]:
    kinds: tuple[goals.Kind, ...] = ("macs", "params", "size")
    return {kind: goals.price(net, shape, kind) for kind in kinds}


def check(net: nn.Module, shape: groups.Shape, options: PruneOptions) -> None:
    """Raises UsageError where the net cannot be cut, or, by counting, not so far.

    A latency is only known once it is measured.
    """
    found = groups.find(net, shape, options.protect, options.protect_stem)
    kind = GOALS[options.goal]
    if kind == "latency":
        return
    worth = [torch.arange(group.size, dtype=torch.float64) for group in found]
    ranked = _rank(found, worth, options, cuts.forms(net))
    whole = _prices(net, shape)[kind]
    goal = _goal(options, whole, options.steps)
    deepest = goals.counted(net, shape, ranked, goal.kind)(ranked.most())
    goals.check_reach(goal, deepest, whole)


def _goal(options: PruneOptions, whole: float, step: int) -> Goal:
    """The goal of a step: the steps before the last go the same factor each.

    whole: the price of the uncut net; the limit of a latency_ratio is a share of it.
    """
    name = options.goal
    value = float(getattr(options, name))
    limit = whole / value if name in ("macs_ratio", "params_ratio") else value
    limit = min(limit, whole)
    limit = whole * (limit / whole) ** (step / options.steps)
    kind: Any = GOALS[name]
    return Goal(kind, limit, name)


def _rank(
    found: Sequence[Group],
    worth: Sequence[torch.Tensor],
    options: PruneOptions,
    whole: cuts.Record,
) -> Ranking:
    """whole: of the uncut net, by whose widths the multiples are chosen."""
    multiples = [options.round_to or step_of(_width(whole[group.name]["sizes"])) for group in found]
    scope, isomorphic = options.scope, options.isomorphic
    return rank(found, worth, scope, isomorphic, multiples, options.max_layer_ratio)


def _width(sizes: Mapping[str, int]) -> int:
    return sizes.get("out_channels") or sizes["out_features"]


def _kept(path: Path, found: Sequence[Group]) -> dict[str, Any] | None:
    """What an earlier process decided; None where it did not, or the file is not whole."""
    try:
        decided: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = set(decided["drops"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return decided if names == {group.name for group in found} else None


def widths(before: cuts.Record, layers: cuts.Record) -> dict[str, list[int]]:
    """Layer -> its output channels before and after, of those that make other ones."""
    found = {}
    for path, form in layers.items():
        for name in ("out_channels", "out_features"):
            if name in form["sizes"]:
                found[path] = [before[path]["sizes"][name], form["sizes"][name]]
    return found
