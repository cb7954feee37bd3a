"""Cut whole channels out of a net, with all that hangs on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgecls.models import cuts

if TYPE_CHECKING:
    from edgecls.train.pruning.groups import Group


def cut(net: nn.Module, drops: Iterable[tuple[Group, Sequence[int]]]) -> None:
    """Cut the units of each group out of `net`, in place.

    What a layer loses to several groups (behind a concatenation) goes at once, because each group
    counts the channels of the whole net.
    """
    kept: dict[tuple[str, str], list[bool]] = {}
    for group, units in drops:
        gone = set(units)
        if not gone:
            continue
        for member in group.members:
            keep = kept.setdefault((member.layer, member.side), [True] * len(member.units))
            for index, unit in enumerate(member.units):
                keep[index] = keep[index] and unit not in gone
    device = next(net.parameters()).device
    for (layer, side), keep in kept.items():
        indices = torch.tensor([i for i, stays in enumerate(keep) if stays], device=device)
        if side == "parameter":
            cuts.narrow_parameter(net, layer, indices)
        else:
            cuts.narrow(net.get_submodule(layer), "out" if side == "out" else "in", indices)
