"""How many units each group loses: one number for the whole net, ranked and rounded.

A share of all units goes, the least important first; the units of a scope compete with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from edgecls.train.pruning.groups import Group

Scope = Literal["global", "local"]
# Eight floats fill a vector register of AVX2 and are the blocks of oneDNN and of tensor cores in
# fp16; a layer is left at least four steps, and so a narrow one goes in smaller ones.
VECTOR, STEPS = 8, 4

# Units that each group loses, in the order of the groups.
Choice = tuple[int, ...]


@dataclass(frozen=True)
class Ranked:
    """A group with its units from the least important up.

    options: how many may go, rising from 0: those that leave the wanted multiples. scores: rising.
    """

    group: Group
    order: tuple[int, ...]
    scores: tuple[float, ...]
    options: tuple[int, ...]

    def nearest(self, count: int) -> int:
        """The option nearest to a number of units; of two, the one that cuts less."""
        return min(self.options, key=lambda option: (abs(option - count), option))


@dataclass(frozen=True)
class Ranking:
    """All groups, ranked. pools: which of them compete, by their numbers."""

    ranked: tuple[Ranked, ...]
    pools: tuple[tuple[int, ...], ...]

    def choice(self, share: float) -> Choice:
        """What goes when this share of the units of every pool does; more never means less."""
        counts = [0] * len(self.ranked)
        for pool in self.pools:
            units = sorted((score, i) for i in pool for score in self.ranked[i].scores)
            for _, index in units[: round(share * len(units))]:
                counts[index] += 1
        return tuple(r.nearest(n) for r, n in zip(self.ranked, counts, strict=True))

    def most(self) -> Choice:
        """The deepest cut."""
        return tuple(ranked.options[-1] for ranked in self.ranked)

    def drops(self, choice: Choice) -> list[tuple[Group, tuple[int, ...]]]:
        """Each group with the units that go, rising."""
        pairs = zip(self.ranked, choice, strict=True)
        return [(ranked.group, tuple(sorted(ranked.order[:n]))) for ranked, n in pairs]

    def given_back(self, choice: Choice) -> list[Choice]:
        """Choices with one step less, in the one group whose units are the most missed first."""
        found = []
        for index, (ranked, count) in enumerate(zip(self.ranked, choice, strict=True)):
            less = [option for option in ranked.options if option < count]
            if less:
                missed = ranked.scores[less[-1] : count]
                after = (*choice[:index], less[-1], *choice[index + 1 :])
                found.append((sum(missed) / len(missed), after))
        return [after for _, after in sorted(found, reverse=True)]


def rank(
    groups: Sequence[Group],
    scores: Sequence[Tensor],
    scope: Scope,
    isomorphic: bool,
    multiples: Sequence[int],
    max_layer_ratio: float,
) -> Ranking:
    """multiples: of channels that each group is left in. max_layer_ratio: the share it may lose.

    isomorphic: only groups of equal structure compete.
    """
    ranked = tuple(
        _ranked(group, score, multiple, max_layer_ratio)
        for group, score, multiple in zip(groups, scores, multiples, strict=True)
    )
    names = [
        str(index) if scope == "local" else group.kind if isomorphic else ""
        for index, group in enumerate(groups)
    ]
    pools = tuple(
        tuple(index for index, name in enumerate(names) if name == pool)
        for pool in dict.fromkeys(names)
    )
    return Ranking(ranked, pools)


def _ranked(group: Group, score: Tensor, multiple: int, max_layer_ratio: float) -> Ranked:
    order = torch.argsort(score, stable=True)
    repeats = group.width // group.size
    most = min(group.size - 1, int(group.size * max_layer_ratio + 1e-9))
    options = [gone for gone in range(1, most + 1) if (group.size - gone) * repeats % multiple == 0]
    return Ranked(group, tuple(order.tolist()), tuple(score[order].tolist()), (0, *options))


def step_of(width: int) -> int:
    """What the channels of a layer are left in multiples of."""
    step = VECTOR
    while step > 1 and step * STEPS > width:
        step //= 2
    return step
