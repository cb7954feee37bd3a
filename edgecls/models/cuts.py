"""Layers that became narrower: how a layer is cut, what of it is recorded, and the replay.

The record names each changed layer's sizes and the shapes of its tensors: numbers alone, from which
a net of the same architecture takes the same form before its weights are loaded. Nothing is traced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

Side = Literal["out", "in"]
Record = dict[str, dict[str, Any]]

# Kind of layer -> its attributes that say how wide it is.
SIZES: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Conv2d: ("in_channels", "out_channels", "groups"),
    nn.Linear: ("in_features", "out_features"),
    nn.modules.batchnorm._BatchNorm: ("num_features",),
    nn.LayerNorm: ("normalized_shape",),
    nn.GroupNorm: ("num_channels",),
    nn.PReLU: ("num_parameters",),
}
KNOWN = tuple(SIZES)


def is_depthwise(layer: nn.Module) -> bool:
    """Whether every channel of a convolution sees one input channel alone."""
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.out_channels


def width(layer: nn.Module, side: Side) -> int:
    """The channels of a side, as many as its tensors have along it."""
    name, dim = _tensors(layer, side)[0]
    size: int = getattr(layer, name).shape[dim]
    return size


def narrow(layer: nn.Module, side: Side, keep: Tensor) -> None:
    """Leave only the channels `keep` (int64, rising) of a side, in place."""
    for name, dim in _tensors(layer, side):
        _set(layer, name, getattr(layer, name).detach().index_select(dim, keep))
    _resize(layer, side, len(keep))


def narrow_parameter(net: nn.Module, path: str, keep: Tensor) -> None:
    """The same for a parameter that is no layer's, along its one dimension above 1."""
    owner, _, name = path.rpartition(".")
    tensor = net.get_parameter(path)
    dim = next(index for index, size in enumerate(tensor.shape) if size > 1)
    _set(net.get_submodule(owner), name, tensor.detach().index_select(dim, keep))


def _tensors(layer: nn.Module, side: Side) -> list[tuple[str, int]]:
    """(tensor, dimension) of each tensor that has this side's channels; the weight first."""
    if side == "in" and isinstance(layer, nn.Conv2d | nn.Linear) and not is_depthwise(layer):
        return [("weight", 1)]
    names = ("weight", "bias", "running_mean", "running_var")
    return [(name, 0) for name in names if isinstance(getattr(layer, name, None), Tensor)]


def _resize(layer: nn.Module, side: Side, size: int) -> None:
    if isinstance(layer, nn.Conv2d):
        if is_depthwise(layer):
            layer.in_channels = layer.out_channels = layer.groups = size
        elif side == "out":
            layer.out_channels = size
        else:
            layer.in_channels = size * layer.groups
    elif isinstance(layer, nn.Linear):
        setattr(layer, f"{side}_features", size)
    elif isinstance(layer, nn.LayerNorm):
        layer.normalized_shape = (size,)
    else:
        (name,) = _sizes(layer)
        setattr(layer, name, size)


def _sizes(layer: nn.Module) -> tuple[str, ...]:
    return next((names for kind, names in SIZES.items() if isinstance(layer, kind)), ())


def _set(layer: nn.Module, name: str, tensor: Tensor) -> None:
    """Put a tensor in the place of another, as what it was: a parameter or a buffer."""
    old = getattr(layer, name)
    if isinstance(old, nn.Parameter):
        tensor = nn.Parameter(tensor, old.requires_grad)
    setattr(layer, name, tensor)


def forms(net: nn.Module) -> Record:
    """Layer -> its sizes and the shapes of its own tensors."""
    found = {}
    for path, layer in net.named_modules():
        own = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
        sizes = {name: _plain(getattr(layer, name)) for name in _sizes(layer)}
        found[path] = {"sizes": sizes, "shapes": {name: list(t.shape) for name, t in own}}
    return found


def changed(before: Record, after: Record) -> Record:
    """Of `after`, what is other than in `before`."""
    found: Record = {}
    for path, form in after.items():
        parts = {
            part: {name: value for name, value in form[part].items() if old[name] != value}
            for part, old in before[path].items()
        }
        if any(parts.values()):
            found[path] = parts
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) else value


def replay(net: nn.Module, layers: Mapping[str, Mapping[str, Any]]) -> None:
    """Give the layers of `net` the recorded forms, in place; their weights are zeros then.

    Raises ValueError for anything but a layer of this net that becomes narrower.
    """
    for path, form in layers.items():
        layer = net.get_submodule(path)
        for name, shape in form["shapes"].items():
            old = getattr(layer, name)
            if len(shape) != old.ndim or not all(
                isinstance(size, int) and 1 <= size <= whole
                for size, whole in zip(shape, old.shape, strict=True)
            ):
                raise ValueError(f"{path}.{name} cannot take the shape {shape!r}")
            _set(layer, name, old.detach().new_zeros(shape))
        for name, value in form["sizes"].items():
            if name not in _sizes(layer) or not _is_size(value):
                raise ValueError(f"{path} cannot take {name} {value!r}")
            setattr(layer, name, tuple(value) if isinstance(value, list) else value)


def _is_size(value: Any) -> bool:
    sizes = value if isinstance(value, list) else [value]
    return bool(sizes) and all(isinstance(size, int) and size >= 1 for size in sizes)
