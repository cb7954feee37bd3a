"""The names of a graph's layers, as a user sees and gives them.

A layer with weights is called after its module (``body.0.conv1``), any other after its ONNX node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edgecls.errors import unknown_name
from edgecls.graph import normalisation_nodes

if TYPE_CHECKING:
    import onnx

WEIGHTED = ("Conv", "Gemm", "MatMul")
# Operators that compute something of their own; the others follow their neighbours into int8.
COMPUTING = (
    *WEIGHTED,
    *("Add", "Sub", "Mul", "Div", "Sigmoid", "HardSigmoid", "HardSwish", "LeakyRelu", "Concat"),
    *("GlobalAveragePool", "AveragePool", "ReduceMean", "Softmax", "LayerNormalization"),
)
# What a runtime fuses with the layer before it.
ACTIVATIONS = ("Relu", "Clip")


def named(model: onnx.ModelProto) -> dict[str, str]:
    """Layer -> the name of its node, in the graph's order; without the normalisation."""
    weights = {tensor.name for tensor in model.graph.initializer}
    outside = set(normalisation_nodes(model))
    found: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type not in COMPUTING or node.name in outside:
            continue
        name = node.name
        if node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in weights:
            name = _module(node.input[1]) or node.name
        # A module that is used twice is two layers.
        found[name if name not in found else f"{name}@{node.name}"] = node.name
    return found


def nodes(model: onnx.ModelProto, names: Iterable[str]) -> list[str]:
    """The nodes of layers; a node's own name is understood as well. Raises UsageError."""
    known = named(model)
    whole = {node.name for node in model.graph.node}
    found = []
    for name in names:
        if name not in known and name not in whole:
            raise unknown_name("layer", name, list(known))
        found.append(known.get(name, name))
    return found


def followed(model: onnx.ModelProto, node: str) -> list[str]:
    """A node and the activation that alone reads it, which a runtime computes with it."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    first: onnx.NodeProto | None = None
    for each in model.graph.node:
        first = each if each.name == node else first
        for tensor in each.input:
            readers.setdefault(tensor, []).append(each)
    if first is None:
        return [node]
    after: Sequence[onnx.NodeProto] = readers.get(first.output[0], [])
    if len(after) == 1 and after[0].op_type in ACTIVATIONS:
        return [node, after[0].name]
    return [node]


def around(model: onnx.ModelProto, node: str) -> list[str]:
    """What is in float where a node is: it, the activation that it reads, the one that reads it.

    The tool drops a ReLU that the range of its quantizer already is; without it the node could not
    read what stands before that quantizer.
    """
    made = {name: each for each in model.graph.node for name in each.output}
    own = next((each for each in model.graph.node if each.name == node), None)
    given = [made[name] for name in own.input if name in made] if own is not None else []
    before = [each.name for each in given if each.op_type in ACTIVATIONS]
    return [*before, *followed(model, node)]


def _module(weight: str) -> str:
    """``net.body.0.conv1.weight`` -> ``body.0.conv1``; empty for a name of the exporter's own."""
    path, dot, last = weight.rpartition(".")
    return path.removeprefix("net.") if dot and last.startswith("weight") else ""
