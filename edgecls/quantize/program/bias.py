"""Bias correction of a captured graph: see `edgecls.quantize.bias`, whose two ways it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx

from edgecls.core import Correction, Images
from edgecls.quantize.program import capture, nodes, watch

Shifts = dict[str, Tensor]
# Of all that `full` holds at a time: it has all images in one batch.
_MOST_BYTES = 512 << 20
_FEWEST = 8


def with_own_biases(graph: fx.GraphModule) -> None:
    """Give every layer a bias that no other one reads, in place."""
    for layer in list(nodes.weighted(graph)):
        given = layer.args[2] if len(layer.args) > 2 else None
        if given is None:
            value = torch.zeros(len(nodes.tensor(graph, layer.args[1])))
        else:
            value = nodes.tensor(graph, given)
        capture.set_bias(graph, layer, value, f"{nodes.module_of(layer)}.{layer.name}_bias")
    capture.cleaned(graph)


def correct(graph: fx.GraphModule, shifts: Mapping[str, Tensor]) -> None:
    """Add to the layers' biases what they lack, in place. shifts: node -> float64[channels]."""
    for layer in nodes.weighted(graph):
        if layer.name in shifts:
            bias = nodes.tensor(graph, layer.args[2])
            bias.copy_((bias.double() + shifts[layer.name]).float())


def shifts(
    graph: fx.GraphModule,
    quantized: fx.GraphModule,
    images: Images,
    how: Correction,
    step: int,
) -> Shifts:
    """What the mean of each quantized layer lacks, given what the float net gives it (``fast``),
    or what the quantized and corrected layers before it give (``full``).

    step: how many images go at a time, in ``fast``.
    """
    if how == "full":
        count = max(_FEWEST, _MOST_BYTES // (16 * max(watch.sizes(graph), default=1)))
        images, step = images[:count], count
    whole = {node.name: node for node in quantized.graph.nodes}
    inside = [n.name for n in nodes.weighted(graph) if not nodes.is_weighted(whole[n.name])]
    found = {name: torch.zeros((), dtype=torch.float64) for name in inside}
    for start in range(0, len(images), step):
        batch = images[start : start + step]
        for name, shift in _of_batch(graph, quantized, batch, inside, how).items():
            found[name] = found[name] + shift * (len(batch) / len(images))
    return found


def _of_batch(
    graph: fx.GraphModule, quantized: fx.GraphModule, batch: Any, inside: list[str], how: Correction
) -> Shifts:
    """The float net first, then the quantized one, in which every layer's output is exchanged."""
    wanted: Shifts = {}
    floats: dict[str, Tensor] = {}
    shifts: Shifts = {}

    def note(node: fx.Node, value: Any) -> Any:
        if node.name in inside:
            wanted[node.name] = _mean(node, value)
            if how == "fast":
                floats[node.name] = value
        return value

    def exchange(node: fx.Node, value: Any) -> Any:
        if node.name not in inside:
            return value
        shift = wanted[node.name] - _mean(node, value)
        shifts[node.name] = shift
        if how == "fast":
            return floats.pop(node.name)
        return value + shift.float().view(-1, *[1] * (value.ndim - 2 if _is_map(node) else 0))

    watch.each(graph, batch, len(batch), note)
    watch.each(quantized, batch, len(batch), exchange)
    return shifts


def _is_map(node: fx.Node) -> bool:
    """Whether the channels are the second axis, as a convolution's are; a linear layer's: last."""
    return node.target in nodes.CONVOLUTIONS


def _mean(node: fx.Node, value: Tensor) -> Tensor:
    """float64[channels]."""
    axes = [0, *range(2, value.ndim)] if _is_map(node) else list(range(value.ndim - 1))
    return value.double().mean(axes)
