"""Which parameters of a net learn how fast, and from when.

Fine-tuning spares what pretrained weights know: layers near the image learn slower (discriminative
rates, Howard & Ruder 2018; layer decay, Bao et al. 2022), later (gradual unfreezing) or never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from edgecls.errors import UsageError

# Blocks are joined to so many groups at most: 0.75 to the 50th power would be a standstill.
MOST_GROUPS = 12
# A module that holds more of the net than this is looked into, whatever its kind.
LARGE = 0.5

Group = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Parameters that learn alike.

    names: of the parameters. lr_scale: factor of the learning rate. from_epoch: the first epoch,
    from 1, in which they learn; 0 is never.
    """

    names: tuple[str, ...]
    lr_scale: float = 1.0
    from_epoch: int = 1


def groups(net: nn.Module) -> list[Group]:
    """The names of all parameters, from the stem to the head, in at most `MOST_GROUPS` groups.

    A group is a block, or neighbouring blocks, in the order in which the net lists its modules.
    The last one is the head alone.
    """
    total = sum(parameter.numel() for parameter in net.parameters())
    blocks: list[Group] = []
    for names in _units(net, "", LARGE * total):
        tensors = [net.get_parameter(name) for name in names]
        # A norm belongs to the layer before it.
        if blocks and all(tensor.ndim <= 1 for tensor in tensors):
            blocks[-1] += names
        else:
            blocks.append(names)
    if len(blocks) <= MOST_GROUPS:
        return blocks
    *body, head = blocks
    cuts = [round(i * len(body) / (MOST_GROUPS - 1)) for i in range(MOST_GROUPS)]
    return [*(sum(body[a:b], ()) for a, b in pairwise(cuts)), head]


def _units(module: nn.Module, prefix: str, large: float) -> list[Group]:
    """The blocks of a module; its own parameters, such as a class token, go with the first."""
    own = tuple(prefix + name for name, _ in module.named_parameters(recurse=False))
    found: list[Group] = []
    for name, child in module.named_children():
        parameters = list(child.named_parameters())
        if not parameters:
            continue
        path = f"{prefix}{name}."
        lists = isinstance(child, nn.Sequential | nn.ModuleList | nn.ModuleDict)
        size = sum(parameter.numel() for _, parameter in parameters)
        if (lists or size > large) and any(child.children()):
            found += _units(child, path, large)
        else:
            found.append(tuple(path + inner for inner, _ in parameters))
    if not found:
        return [own] if own else []
    return [own + found[0], *found[1:]]


def plan(
    depth_groups: Sequence[Group], freeze: int = 0, unfreeze_every: int = 0, layer_decay: float = 1
) -> list[Part]:
    """How the groups of a net, from the stem to the head, learn.

    freeze: so many of the first never learn. unfreeze_every: the head learns from epoch 1, the
    group below it so many epochs later, and so on (0: all from the start). layer_decay: factor of
    the learning rate from a group to the one below it. Raises UsageError where nothing is left.
    """
    count = len(depth_groups)
    if freeze >= count:
        raise UsageError(
            f"freeze is {freeze}, and the net has {count} groups of layers: none would learn",
            f"freeze {count - 1} at most, which leaves the head",
        )
    found = []
    for index, names in enumerate(depth_groups):
        below = count - 1 - index
        from_epoch = 0 if index < freeze else 1 + below * unfreeze_every
        found.append(Part(names, layer_decay**below, from_epoch))
    return found


def frozen_groups(freeze: str, depth_groups: Sequence[Group]) -> int:
    """How many groups an option means: ``none``, ``backbone`` (all but the head) or a number."""
    if freeze == "none":
        return 0
    return len(depth_groups) - 1 if freeze == "backbone" else int(freeze)
