"""What a channel is worth: a score for every unit of a group.

- ``magnitude``: L1 norm of the filters that make it (Li et al., ICLR 2017), over the group's mean
- ``group-norm``: squared L2 norm of all weights that hang on it, those that read it too (DepGraph,
  Fang et al., CVPR 2023), over the group's mean
- ``taylor``: first-order estimate of the loss without them (Molchanov et al., CVPR 2019), over the
  group's mean
- ``bn-scale``: BatchNorm's scale, as it is (network slimming, Liu et al., ICCV 2017)
- ``random``: what the others are to be better than
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecls.core import Dataset
from edgecls.errors import UsageError
from edgecls.models.normalise import Normalise
from edgecls.train.fit import to_batch
from edgecls.train.pruning.groups import Group, Member

Importance = Literal["magnitude", "group-norm", "taylor", "bn-scale", "random"]
# Training images whose gradients are summed, and how many at a time.
TAYLOR_IMAGES, TAYLOR_BATCH = 1024, 64


def scores(
    net: nn.Module, groups: Sequence[Group], importance: Importance, data: Dataset, seed: int
) -> list[Tensor]:
    """float64[size] of each group; `net` is left alone. Raises UsageError where there are none."""
    if importance == "random":
        drawn = torch.Generator().manual_seed(seed)
        return [torch.rand(group.size, generator=drawn, dtype=torch.float64) for group in groups]
    if importance == "bn-scale":
        return [_bn_scale(net, group) for group in groups]
    if importance == "taylor":
        gradients = _gradients(net, data, seed)
        found = [_sum(net, group, lambda name, w: (w * gradients[name]).abs()) for group in groups]
    elif importance == "group-norm":
        found = [_sum(net, group, lambda name, w: w.square()) for group in groups]
    else:
        found = [_sum(net, group, lambda name, w: w.abs(), makers=True) for group in groups]
    return [value / value.mean().clamp_min(torch.finfo(value.dtype).tiny) for value in found]


def weight_of(net: nn.Module, member: Member) -> tuple[str, nn.Parameter, int] | None:
    """(name, weight, dimension of its channels), or None for a layer without a weight."""
    if member.side == "parameter":
        parameter = net.get_parameter(member.layer)
        return member.layer, parameter, next(i for i, n in enumerate(parameter.shape) if n > 1)
    weight = getattr(net.get_submodule(member.layer), "weight", None)
    if not isinstance(weight, nn.Parameter):
        return None
    return f"{member.layer}.weight", weight, 1 if member.side == "in" else 0


def per_channel(value: Tensor, dim: int) -> Tensor:
    """The sums of a tensor over all its dimensions but one."""
    return value.transpose(0, dim).reshape(value.shape[dim], -1).sum(1)


def _sum(
    net: nn.Module, group: Group, value: Callable[[str, Tensor], Tensor], makers: bool = False
) -> Tensor:
    """The sum of a value of the weights over all that hangs on each unit.

    makers: of the convolutions and linear layers alone that make the channels.
    """
    total = torch.zeros(group.size + 1, dtype=torch.float64)
    for member in group.members:
        found = weight_of(net, member)
        if found is None or (makers and (member.side != "out" or found[1].ndim < 2)):
            continue
        name, weight, dim = found
        with torch.no_grad():
            each = per_channel(value(name, weight), dim)
        total.index_add_(0, units_of(member, group), each.double().cpu())
    return total[:-1]


def units_of(member: Member, group: Group) -> Tensor:
    """The unit of each channel; those of none are put into a unit more."""
    return torch.tensor([unit if unit >= 0 else group.size for unit in member.units])


def _bn_scale(net: nn.Module, group: Group) -> Tensor:
    norms = [
        member
        for member in group.members
        if member.side == "out"
        and isinstance(net.get_submodule(member.layer), nn.modules.batchnorm._BatchNorm)
        and weight_of(net, member) is not None
    ]
    if not norms:
        raise UsageError(
            f"importance bn-scale needs a BatchNorm with a scale behind every layer that is cut,"
            f" and {group.name} has none",
            "choose importance group-norm, or add the layer to protect",
        )
    shell = Group(group.name, group.width, group.size, group.kind, tuple(norms))
    return _sum(net, shell, lambda name, w: w.abs())


def _gradients(net: nn.Module, data: Dataset, seed: int) -> dict[str, Tensor]:
    """Name -> the loss's gradient over some training images, with the net as in evaluation."""
    images, classes = data["train"]
    drawn = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(images), generator=drawn)[:TAYLOR_IMAGES].sort().values
    normalise = Normalise(data.preprocess)
    frozen = [parameter for parameter in net.parameters() if not parameter.requires_grad]
    net.eval().requires_grad_(True)
    for start in range(0, len(chosen), TAYLOR_BATCH):
        rows = chosen[start : start + TAYLOR_BATCH].numpy()
        truth = torch.as_tensor(classes[rows])
        known = truth >= 0
        if known.any():
            logits = net(normalise(to_batch(images[rows])))
            loss = F.cross_entropy(logits[known], truth[known], reduction="sum")
            loss.backward()  # type: ignore[no-untyped-call]
    found = {
        name: torch.zeros_like(p) if p.grad is None else p.grad.detach().clone()
        for name, p in net.named_parameters()
    }
    net.zero_grad(set_to_none=True)
    for parameter in frozen:
        parameter.requires_grad_(False)
    return found
