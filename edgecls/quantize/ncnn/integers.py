"""The int8 layers of a PT2E graph (`edgecls.quantize.program`), and that graph in float again.

ncnn quantizes a layer's input itself, by one step, and what a layer gives is float again unless
the next layer takes it in int8: of the ranges in the graph only those of layers' inputs count.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import fx

from edgecls.errors import ConversionError
from edgecls.quantize.program import capture, nodes
from edgecls.quantize.program.placing import ops


@dataclass(frozen=True)
class Integers:
    """A layer: ``floats ≈ steps · weights``, out channels first. step: of its input.

    name: its module. floats: what the graph in float computes with, float32.
    """

    name: str
    weights: NDArray[np.int8]
    steps: NDArray[np.float32]
    floats: NDArray[np.float32]
    step: float


def taken(graph: fx.GraphModule) -> tuple[list[Integers], fx.GraphModule]:
    """The int8 layers of `graph`, and a copy in float with their weights.

    Raises ConversionError for activations with a zero point, which ncnn has not.
    """
    made = copy.deepcopy(graph)
    layers = []
    for node in list(made.graph.nodes):
        if node.target not in nodes.WEIGHTED:
            continue
        weight = node.args[1]
        if isinstance(weight, fx.Node) and weight.target is ops.dequantize_per_channel.default:
            layers.append(_layer(made, node, weight))
    for node in list(made.graph.nodes):
        if node.target is ops.dequantize_per_tensor.default:
            node.replace_all_uses_with(node.args[0].args[0])
    return layers, capture.cleaned(made)


def _layer(graph: fx.GraphModule, node: fx.Node, weight: fx.Node) -> Integers:
    """One layer; in the graph it reads floats from now on."""
    stored: Any = weight.args[0]
    integers, steps = (nodes.tensor(graph, each) for each in weight.args[:2])
    given: Any = node.args[0]
    if given.target is not ops.dequantize_per_tensor.default or given.args[2] != 0:
        raise ConversionError(
            "ncnn's int8 is symmetric, and this graph's activations are not", "report this net"
        )
    module = str(stored.meta.get("module") or node.name)
    floats = integers.float() * steps.float().view(-1, *[1] * (integers.ndim - 1))
    capture.set_weight(graph, node, floats, f"{module}.{node.name}_weight")
    return Integers(
        module, integers.numpy(), steps.float().numpy(), floats.numpy(), float(given.args[1])
    )
