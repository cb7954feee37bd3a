"""Sparse learning before the cut: weak channels are drawn to zero, group by group.

Fang et al., CVPR 2023 (DepGraph), equation 4: all weights of a group's unit k shrink together, by
``reg · γ_k``, where γ_k rises from 1 for the group's strongest unit to 2^4 for its weakest.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgecls.train.hooks import NoHook
from edgecls.train.pruning.groups import Group
from edgecls.train.pruning.ranking import per_channel, units_of, weight_of

ALPHA = 4.0
# (weight, dimension of the channels, unit of each channel) of all that hangs on a group.
Held = list[tuple[nn.Parameter, int, Tensor]]


class GroupSparsity(NoHook):
    """A hook of `fit` that adds the penalty's gradient to that of the loss."""

    def __init__(self, groups: Sequence[Group], reg: float) -> None:
        self._groups, self._reg = groups, reg
        self._held: list[tuple[int, Held]] = []

    def begin_epoch(self, net: nn.Module, epoch: int, epochs: int) -> None:
        self._held = [(group.size, _held(net, group)) for group in self._groups]

    @torch.no_grad()
    def after_backward(self, net: nn.Module) -> None:
        for size, held in self._held:
            pull = strengths(size, held)
            for weight, dim, units in held:
                if weight.grad is not None:
                    shape = [-1 if axis == dim else 1 for axis in range(weight.ndim)]
                    weight.grad.add_(weight * pull[units].view(shape), alpha=self._reg)


def _held(net: nn.Module, group: Group) -> Held:
    found = []
    for member in group.members:
        weight = weight_of(net, member)
        if weight is not None:
            _, parameter, dim = weight
            found.append((parameter, dim, units_of(member, group).to(parameter.device)))
    return found


def strengths(size: int, held: Held) -> Tensor:
    """γ of each unit, and a zero for the channels of no unit: float[size + 1]."""
    device = held[0][0].device
    squares = torch.zeros(size + 1, device=device)
    for weight, dim, units in held:
        squares.index_add_(0, units, per_channel(weight.square(), dim))
    norms = squares[:-1].sqrt()
    spread = (norms.max() - norms.min()).clamp_min(torch.finfo(norms.dtype).tiny)
    pull = torch.exp2(ALPHA * (norms.max() - norms) / spread)
    return torch.cat([pull, pull.new_zeros(1)])
