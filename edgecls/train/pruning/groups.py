"""Which channels of a net can only be cut together (dependency graph: Fang et al., CVPR 2023).

torch-pruning finds them and is wrapped here; what comes out are plain values. It cannot follow
attention: of a transformer, the hidden channels of the MLPs are found without it, and are what is
cut there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import nn

from edgecls.errors import UsageError, unknown_name
from edgecls.models import cost, cuts
from edgecls.models.weightless import without_weights
from edgecls.train.pruning.cutting import cut

Shape = tuple[int, int, int]
# What torch-pruning raises where it loses the thread.
TROUBLE = (
    *(RuntimeError, ValueError, LookupError, TypeError),
    *(AttributeError, ArithmeticError, AssertionError),
)
CURE = "leave it uncut, or use another net, such as a ResNet or a MobileNet"


@dataclass(frozen=True)
class Member:
    """A side of a layer, or a single parameter, that loses channels with its group.

    units: for each channel of that side, which unit of the group it belongs to; -1 is none.
    """

    layer: str
    side: Literal["out", "in", "parameter"]
    units: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Channels that can only be cut together, in `size` units that go one by one.

    name: the layer that makes them. width: its channels; a unit is one of them, or, where a
    convolution or a norm has channel groups, one of each. kind: equal for groups of the same
    structure (isomorphic pruning, Fang et al., ECCV 2024).
    """

    name: str
    width: int
    size: int
    kind: str
    members: tuple[Member, ...]


def find(
    net: nn.Module, shape: Shape, protect: Sequence[str] = (), protect_stem: bool = True
) -> list[Group]:
    """What can be cut of `net`, which is left alone; the head's classes never.

    shape: (C, H, W). protect: layers, or blocks of them, that keep their channels (``*`` is any
    text). Raises UsageError where nothing is left, or where the net cannot be followed.
    """
    shielded = _protected(net, protect)
    if _attends(net):
        found = _perceptrons(net)
    else:
        found = _traced(net, shape)
        if protect_stem:
            shielded |= _stem(net, found)
    free = [
        group
        for group in found
        if group.size > 1 and not any(m.side != "in" and m.layer in shielded for m in group.members)
    ]
    answer = cost.pass_through(without_weights(net), shape)[0].shape if free else ()
    working = _that_work(net, shape, free, answer)
    if not working:
        what = "without the protected ones " if free != found else ""
        raise UsageError(f"the net has no layers {what}whose channels can be cut", CURE)
    return working


def _protected(net: nn.Module, patterns: Sequence[str]) -> set[str]:
    names = [name for name, _ in net.named_modules() if name]
    found: set[str] = set()
    for pattern in patterns:
        hit = [name for name in names if fnmatchcase(name, pattern)]
        if not hit:
            raise unknown_name("layer in protect", pattern, names)
        found |= {n for n in names if any(n == top or n.startswith(f"{top}.") for top in hit)}
    return found


def _attends(net: nn.Module) -> bool:
    """Whether a net has attention: then parameters stand beside its layers, with two dimensions.

    torch-pruning needs many GB to follow the windows of a Swin, and misreads the fused projection
    of torch's own attention.
    """
    layers = (*cuts.KNOWN, nn.Embedding)
    loose = [
        parameter
        for module in net.modules()
        if not isinstance(module, layers)
        for parameter in module.parameters(recurse=False)
    ]
    attention = any(isinstance(module, nn.MultiheadAttention) for module in net.modules())
    return attention or any(sum(size > 1 for size in p.shape) > 1 for p in loose)


def _perceptrons(net: nn.Module) -> list[Group]:
    """The hidden channels of all MLPs: two linear layers with only pointwise modules between."""
    found = []
    for path, module in net.named_modules():
        children = list(module.named_children())
        linears = [
            (f"{path}.{name}", child) for name, child in children if isinstance(child, nn.Linear)
        ]
        if len(linears) != 2 or any(_mixes(child) for _, child in children):
            continue
        (first, up), (second, down) = linears
        if up.out_features == down.in_features and up.in_features == down.out_features:
            units = tuple(range(up.out_features))
            members = (Member(first, "out", units), Member(second, "in", units))
            found.append(Group(first, len(units), len(units), "mlp", members))
    return found


def _mixes(module: nn.Module) -> bool:
    """Whether a module has weights that are neither a linear layer's nor a norm's."""
    plain = isinstance(module, nn.Linear | nn.LayerNorm)
    return not plain and any(True for _ in module.parameters())


def _traced(net: nn.Module, shape: Shape) -> list[Group]:
    import torch_pruning
    from torch_pruning import ops

    with _traceable(net), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = torch_pruning.DependencyGraph().build_dependency(
                net, torch.zeros(1, *shape, device=_device(net)), verbose=False
            )
            kinds = [ops.TORCH_CONV, ops.TORCH_LINEAR]
            raw = list(graph.get_all_groups(root_module_types=kinds))
        except TROUBLE as error:
            why = str(error) or type(error).__name__
            raise UsageError(f"torch-pruning cannot cut this net: {why}", CURE) from error
    names = {id(module): name for name, module in net.named_modules()}
    names |= {id(parameter): name for name, parameter in net.named_parameters()}
    read = [_read(group, names, graph.is_out_channel_pruning_fn) for group in raw]
    return [group for group in read if group is not None]


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


@contextmanager
def _traceable(net: nn.Module) -> Iterator[None]:
    """Dependencies are traced by autograd: every parameter has gradients for that moment."""
    frozen = [p for p in net.parameters() if not p.requires_grad]
    training = net.training
    net.requires_grad_(True)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
        net.train(training)


def _read(raw: Any, names: dict[int, str], is_out: Callable[[Any], bool]) -> Group | None:
    """One of torch-pruning's groups as a value; None for one that must not be cut."""
    from torch_pruning import ops

    passing = {
        *(ops.OPTYPE.CONCAT, ops.OPTYPE.SPLIT, ops.OPTYPE.ELEMENTWISE, ops.OPTYPE.RESHAPE),
        *(ops.OPTYPE.EXPAND, ops.OPTYPE.SLICE, ops.OPTYPE.UNBIND),
    }
    root = raw[0].dep.target.module
    width = len(raw[0].idxs)
    repeats = max(_channel_groups(item.dep.target.module) for item in raw)
    size = width // repeats
    if size * repeats != width:
        return None
    members: dict[tuple[str, str], Member] = {}
    kind = ""
    for item in raw:
        node, out = item.dep.target, is_out(item.dep.handler)
        kind += f"{type(node.module).__name__}-{'out' if out else 'in'} "
        if node.type in passing:
            continue
        member = _member(item, node.module, names, out, size)
        if member is None:
            return None
        members[member.layer, member.side] = member
    if not any(member.side == "in" for member in members.values()):
        return None  # nothing reads these channels: they are the classes
    return Group(names[id(root)], width, size, kind, tuple(members.values()))


def _channel_groups(module: object) -> int:
    if isinstance(module, nn.GroupNorm):
        return module.num_groups
    if isinstance(module, nn.Conv2d) and not cuts.is_depthwise(module):
        return module.groups
    return 1


def _member(item: Any, module: Any, names: dict[int, str], out: bool, size: int) -> Member | None:
    side: Literal["out", "in", "parameter"]
    if isinstance(module, nn.Parameter):
        sizes = [length for length in module.shape if length > 1]
        if len(sizes) != 1:
            return None
        side, length = "parameter", sizes[0]
    elif isinstance(module, cuts.KNOWN) and not isinstance(module, nn.ConvTranspose2d):
        weights_both = isinstance(module, nn.Conv2d | nn.Linear) and not cuts.is_depthwise(module)
        side = "in" if weights_both and not out else "out"
        length = cuts.width(module, side)
    else:
        return None
    units = [-1] * length
    for index, unit in zip(item.idxs, item.root_idxs, strict=True):
        if unit is None:
            return None
        if index < length:  # the input of a grouped convolution: its groups lose the same channels
            units[index] = unit % size
    return Member(names[id(module)], side, tuple(units))


def _stem(net: nn.Module, found: Sequence[Group]) -> set[str]:
    """The layers that read the image: no group's channels go into them."""
    fed = {m.layer for group in found for m in group.members if m.side == "in"}
    return {
        name
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
        and not cuts.is_depthwise(layer)
        and name not in fed
    }


def _that_work(
    net: nn.Module, shape: Shape, found: list[Group], answer: tuple[int, ...]
) -> list[Group]:
    """Those after whose cut the net still runs: half by half, as most nets need one try.

    answer: the shape of the logits.
    """
    if not found or _runs(net, shape, found, answer):
        return found
    if len(found) == 1:
        return []
    half = len(found) // 2
    halves = [_that_work(net, shape, part, answer) for part in (found[:half], found[half:])]
    joined = [*halves[0], *halves[1]]
    return joined if _runs(net, shape, joined, answer) else []


def _runs(net: nn.Module, shape: Shape, found: Sequence[Group], answer: tuple[int, ...]) -> bool:
    """Whether the net takes an image, and answers as many classes, when each lost a unit."""
    shell = without_weights(net)
    cut(shell, [(group, [0]) for group in found])
    try:
        same: bool = cost.pass_through(shell, shape)[0].shape == answer
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return False
    return same
