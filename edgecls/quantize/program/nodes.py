"""What the nodes of a captured graph are: layers, their names, and the values between them.

A layer with weights is called after its module (``body.0.conv1``), any other after its node in
ONNX (``node_add_65``): as a diagnosis of the canonical graph calls them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, fx

from edgecls.errors import unknown_name

aten = torch.ops.aten
CONVOLUTIONS = (aten.conv2d.default, aten.conv2d.padding)
LINEAR = aten.linear.default
WEIGHTED = (*CONVOLUTIONS, LINEAR)
# What a backend computes with the layer before it.
CLAMPS = (aten.relu.default, aten.relu6.default, aten.hardtanh.default)
OF_TWO = (aten.add.Tensor, aten.mul.Tensor)
MEANS = (aten.adaptive_avg_pool2d.default, aten.mean.dim)
# Backends compute them in int8 only where what goes in and what comes out have one range.
POOLS = (aten.avg_pool2d.default,)
CONCATENATION = aten.cat.default
# They only move values, so what they give has the range of what they were given.
MOVES = (
    *(aten.max_pool2d.default, aten.view.default, aten.reshape.default, aten.flatten.using_ints),
    *(aten.permute.default, aten.transpose.int, aten.squeeze.dim, aten.squeeze.dims),
    *(aten.unsqueeze.default, aten.slice.Tensor, aten.dropout.default),
)


def is_weighted(node: object) -> bool:
    """Whether it is a convolution or a linear layer whose weight is a constant."""
    return (
        isinstance(node, fx.Node)
        and node.target in WEIGHTED
        and isinstance(node.args[1], fx.Node)
        and node.args[1].op == "get_attr"
    )


def layers(graph: fx.GraphModule) -> dict[str, fx.Node]:
    """Name -> node, of everything that can be int8, in the graph's order."""
    found: dict[str, fx.Node] = {}
    for node in graph.graph.nodes:
        if not is_computed(node):
            continue
        # The exporter to ONNX has no average of whole maps either.
        own = node.name.replace("adaptive_avg_pool2d", "mean")
        name = module_of(node) if is_weighted(node) else f"node_{own}"
        # A module that is used twice is two layers.
        found[name if name not in found else f"{name}@{node.name}"] = node
    return found


def named(graph: fx.GraphModule, names: Iterable[str]) -> list[fx.Node]:
    """The nodes of layers; a node's own name is understood as well, of what is in float anyway too.

    Raises UsageError.
    """
    known = layers(graph)
    whole = {f"node_{node.name}": node for node in graph.graph.nodes if node.op == "call_function"}
    found = []
    for name in names:
        if name not in known and name not in whole:
            raise unknown_name("layer", name, list(known))
        found.append(known.get(name) or whole[name])
    return found


def is_computed(node: fx.Node) -> bool:
    """Whether backends compute it in int8: a layer, or what combines or averages features."""
    if node.op != "call_function" or not is_features(node):
        return False
    if node.target in OF_TWO:
        return len(features_of(node)) == 2
    return is_weighted(node) or node.target in (*MEANS, *POOLS, CONCATENATION)


def features_of(node: fx.Node) -> list[fx.Node]:
    """The inputs that depend on the image and are floats; one that is read twice counts twice."""
    given = node.args[0] if node.target is CONCATENATION else node.args[:2]
    many = given if isinstance(given, (list, tuple)) else [given]
    return [each for each in many if isinstance(each, fx.Node) and is_features(each)]


def is_features(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return (
        node.op == "call_function"
        and isinstance(value, torch.Tensor)
        and value.dtype == torch.float32
        and value.ndim > 1
    )


def origin(node: fx.Node) -> fx.Node:
    """The node whose values `node` has, perhaps in other places."""
    while node.target in MOVES and isinstance(node.args[0], fx.Node):
        node = node.args[0]
    return node


def end(node: fx.Node) -> fx.Node:
    """A layer, or the clamp that alone reads it and is computed with it."""
    user = next(iter(node.users), None)
    alone = len(node.users) == 1 and user is not None and user.target in CLAMPS
    return user if alone and user is not None else node


def output(graph: fx.GraphModule) -> fx.Node:
    """The node of the logits."""
    (last,) = graph.graph.find_nodes(op="output")
    node = last.args[0]
    while isinstance(node, (list, tuple)):
        (node,) = node
    assert isinstance(node, fx.Node)
    return node


def module_of(layer: fx.Node) -> str:
    """The path of a layer's module, which its weight is called after."""
    weight = layer.args[1]
    assert isinstance(weight, fx.Node)
    path = weight.meta.get("module") or str(weight.target).rpartition(".")[0]
    return str(path).removeprefix("net.")


def tensor(graph: fx.GraphModule, node: object) -> Tensor:
    """The constant that a node reads."""
    assert isinstance(node, fx.Node)
    owner, _, last = str(node.target).rpartition(".")
    value: Tensor = getattr(graph.get_submodule(owner), last)
    return value


def weighted(graph: fx.GraphModule) -> Iterator[fx.Node]:
    """The convolutions and linear layers, in the graph's order."""
    return (node for node in graph.graph.nodes if is_weighted(node))
