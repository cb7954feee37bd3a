"""A net as a graph of its own modules, with what int8 needs put in.

Rounded are the inputs of convolutions and linear layers, of additions and products of two feature
maps, of averages and of concatenations; and what comes out of a convolution, because runtimes
compute one in int8 only where its answer is int8 too. Between a convolution and its BatchNorm or
ReLU there is no rounding, and what only moves values (pooling by the maximum, reshaping, dropout)
passes int8 on. The answer of the last layer stays in float.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata
from torchvision.ops import StochasticDepth

from edgecls.errors import UsageError
from edgecls.models.quantized.fake import Clamp, FakeQuantize
from edgecls.models.quantized.layers import LIMIT, REDUCED_LIMIT, QuantizedConv2d, QuantizedLinear

FAKES = "fakes"
CLAMPS: dict[Any, Clamp] = {
    nn.ReLU: "relu",
    torch.relu: "relu",
    F.relu: "relu",
    "relu": "relu",
    nn.ReLU6: "relu6",
    F.relu6: "relu6",
}
# What only moves values, or leaves them alone in evaluation.
MOVES = {
    *(nn.Identity, nn.Dropout, nn.Dropout2d, StochasticDepth, nn.Flatten),
    *(nn.MaxPool2d, nn.AdaptiveMaxPool2d, F.max_pool2d, F.adaptive_max_pool2d),
    *(torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.chunk, torch.split),
    *(F.dropout, operator.getitem),
    *("flatten", "reshape", "view", "permute", "transpose", "contiguous", "chunk", "split"),
}
# What runtimes compute in int8 besides convolutions and linear layers.
OF_TWO = {operator.add, torch.add, "add", operator.mul, torch.mul, "mul"}
COMPUTES = {
    *OF_TWO,
    *(torch.cat, torch.concat),
    *(nn.AvgPool2d, nn.AdaptiveAvgPool2d, F.avg_pool2d, F.adaptive_avg_pool2d, torch.mean, "mean"),
}
IN_PLACE = {
    operator.iadd: operator.add,
    operator.imul: operator.mul,
    "add_": "add",
    "mul_": "mul",
    "relu_": "relu",
}
WEIGHTED = (QuantizedConv2d, QuantizedLinear)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Modules that behave otherwise in training stay whole."""
        whole = (StochasticDepth, nn.modules.batchnorm._BatchNorm)
        return isinstance(m, whole) or super().is_leaf_module(m, module_qualified_name)


def prepared(
    net: nn.Module, input_shape: tuple[int, int, int], reduce_range: bool
) -> fx.GraphModule:
    """`net`, whose parts it takes over, ready to be trained for int8.

    input_shape: (C, H, W). reduce_range: weights keep to 7 bits. Raises UsageError for a net whose
    path depends on its values, and for one with nothing to quantize.
    """
    graph = _traced(net.eval(), input_shape)
    _fuse(graph, REDUCED_LIMIT if reduce_range else LIMIT)
    if not any(isinstance(module, WEIGHTED) for module in graph.modules()):
        raise UsageError("this net has no layer that int8 would speed up", "leave it in float")
    _place(graph)
    graph.graph.lint()
    graph.recompile()
    return graph


def fakes(net: nn.Module) -> Iterator[FakeQuantize]:
    """Every rounding of an activation."""
    return (module for module in net.modules() if isinstance(module, FakeQuantize))


def points(net: nn.Module) -> list[str]:
    """Where a prepared net is quantized: its layers and its roundings, by name."""
    kinds = (*WEIGHTED, FakeQuantize)
    return [name for name, module in net.named_modules() if isinstance(module, kinds)]


def _traced(net: nn.Module, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    try:
        graph = fx.GraphModule(net, _Tracer().trace(net))
        graph.graph.eliminate_dead_code()
        _not_in_place(graph)
        with torch.no_grad():
            ShapeProp(graph).propagate(torch.zeros(2, *input_shape))
    except (fx.proxy.TraceError, TypeError, RuntimeError, NotImplementedError) as error:
        why = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"this net cannot be followed for int8: {why}",
            "export int8 without training for it: edgecls quantize",
        ) from error
    return graph


def _not_in_place(graph: fx.GraphModule) -> None:
    """A rounding keeps what it was given for the gradient: nobody may write over it."""
    for module in graph.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    for node in graph.graph.nodes:
        node.target = IN_PLACE.get(node.target, node.target)
        if node.kwargs.get("inplace"):
            node.update_kwarg("inplace", False)
    graph.recompile()


def _kind(graph: fx.GraphModule, node: fx.Node) -> Any:
    """What tells nodes apart: a module's class, a function, or a method's name."""
    return type(graph.get_submodule(str(node.target))) if node.op == "call_module" else node.target


def _fuse(graph: fx.GraphModule, limit: int) -> None:
    """Exchange convolutions, with the BatchNorm behind them, and linear layers."""
    calls: dict[Any, int] = {}
    for node in graph.graph.nodes:
        calls[node.target] = calls.get(node.target, 0) + 1
    # Later nodes are looked up when their turn comes: a BatchNorm may have been taken in by then.
    for node in graph.graph.nodes:
        if node.op != "call_module" or calls[node.target] > 1:
            continue
        module = graph.get_submodule(node.target)
        if type(module) is nn.Linear:
            graph.set_submodule(node.target, QuantizedLinear(module, limit))
        elif type(module) is nn.Conv2d:
            norm = _norm_behind(graph, node, calls)
            taken = None if norm is None else graph.get_submodule(str(norm.target))
            assert taken is None or isinstance(taken, nn.BatchNorm2d)
            graph.set_submodule(node.target, QuantizedConv2d(module, taken, limit))
            if norm is not None:
                norm.replace_all_uses_with(node)
                graph.graph.erase_node(norm)
                graph.delete_submodule(str(norm.target))


def _norm_behind(graph: fx.GraphModule, node: fx.Node, calls: dict[Any, int]) -> fx.Node | None:
    user = next(iter(node.users), None)
    if len(node.users) != 1 or user is None or user.op != "call_module" or calls[user.target] > 1:
        return None
    module = graph.get_submodule(str(user.target))
    tracks = type(module) is nn.BatchNorm2d and module.track_running_stats
    return user if tracks else None


def _place(graph: fx.GraphModule) -> None:
    """Put a `FakeQuantize` behind every value that is to be int8."""
    wanted: dict[fx.Node, None] = {}
    answer = _origin(graph, next(n for n in graph.graph.nodes if n.op == "output").args[0])
    for node in graph.graph.nodes:
        kind = _kind(graph, node)
        if kind in WEIGHTED or kind in COMPUTES:
            if kind in OF_TWO and len(node.all_input_nodes) < 2:
                continue  # a factor or an offset, such as that of the logits
            for value in node.all_input_nodes:
                wanted[_origin(graph, value)] = None
        if kind is QuantizedConv2d and _only_clamp(graph, node) is None:
            wanted[node] = None
    for node in [n for n in graph.graph.nodes if n in wanted and n is not answer]:
        if _is_features(node):
            _round(graph, node)


def _origin(graph: fx.GraphModule, node: Any) -> fx.Node:
    """The node whose values `node` has, perhaps in other places."""
    while node.op not in ("placeholder", "get_attr") and _kind(graph, node) in MOVES:
        before = node.all_input_nodes[0]
        is_part = not isinstance(before.meta.get("tensor_meta"), TensorMetadata)
        if is_part and _kind(graph, before) not in MOVES:
            break  # one of several results, such as a recurrent layer's
        node = before
    return node  # type: ignore[no-any-return]


def _is_features(node: fx.Node) -> bool:
    """Whether it is a tensor of floats that depends on the image."""
    about = node.meta.get("tensor_meta")
    return node.op != "get_attr" and getattr(about, "dtype", None) == torch.float32


def _only_clamp(graph: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """The ReLU that alone reads `node`."""
    user = next(iter(node.users), None)
    return user if len(node.users) == 1 and user and _kind(graph, user) in CLAMPS else None


def _round(graph: fx.GraphModule, node: fx.Node) -> None:
    """Round what `node` gives; a ReLU is taken into the rounding."""
    clamp = CLAMPS.get(_kind(graph, node), "none")
    name = f"{FAKES}.{node.name}"
    graph.add_submodule(name, FakeQuantize(clamp))
    with graph.graph.inserting_after(node):
        fake = graph.graph.call_module(name, (node,))
    node.replace_all_uses_with(fake, delete_user_cb=lambda user: user is not fake)
    if clamp != "none":
        fake.args = (node.all_input_nodes[0],)
        graph.graph.erase_node(node)
