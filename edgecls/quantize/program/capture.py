"""A net as a graph of ATen operators: functional, BatchNorm folded, and exported at a fixed batch.

``uint8[N, H, W, C]`` in, ``float32[N, K]`` out, as `edgecls.models.normalise.Deployable` has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from edgecls.errors import ConversionError
from edgecls.quantize.program import nodes

aten = torch.ops.aten


def captured(net: nn.Module, input_shape: tuple[int, ...]) -> fx.GraphModule:
    """The graph of `net` with a dynamic batch. input_shape: (N, H, W, C), of which N is ignored.

    Raises ConversionError for a net that ``torch.export`` cannot follow.
    """
    # Two images: torch.export takes a dimension of size 1 for a constant.
    example = torch.zeros(2, *input_shape[1:], dtype=torch.uint8)
    with telling():
        program = torch.export.export(
            net, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)
        )
        graph = program.run_decompositions({}).module(check_guards=False)
    assert isinstance(graph, fx.GraphModule)
    drop_checks(graph)
    _mean_for_pool(graph.graph)
    _fold_batchnorm(graph)
    return cleaned(graph)


def exported(net: nn.Module, input_shape: tuple[int, ...]) -> torch.export.ExportedProgram:
    """The program of a net or graph at exactly that shape. Raises ConversionError."""
    with telling():
        program = torch.export.export(net, (torch.zeros(*input_shape, dtype=torch.uint8),))
    _mean_for_pool(program.graph)
    return program


def cleaned(graph: fx.GraphModule) -> fx.GraphModule:
    """`graph` without the nodes and tensors that nothing reads, ready to be run."""
    graph.graph.eliminate_dead_code()
    graph.graph.lint()
    graph.recompile()
    graph.delete_all_unused_submodules()
    read = {str(node.target) for node in graph.graph.nodes if node.op == "get_attr"}
    for name in [name for name, _ in [*graph.named_parameters(), *graph.named_buffers()]]:
        if name not in read:
            owner, _, last = name.rpartition(".")
            delattr(graph.get_submodule(owner), last)
    return graph


@contextmanager
def telling() -> Iterator[None]:
    """What torch.export raises, as a ConversionError."""
    try:
        yield
    except _export_errors() as error:
        why = str(error).strip().partition("\n")[0]
        raise ConversionError(
            f"PyTorch cannot export this net: {type(error).__name__}: {why}", "use another net"
        ) from error


def _export_errors() -> tuple[type[Exception], ...]:
    from torch._dynamo.exc import TorchDynamoException

    return (RuntimeError, ValueError, TypeError, NotImplementedError, TorchDynamoException)


def drop_checks(graph: fx.GraphModule) -> None:
    """Assertions have no reader, but count as effects: they would stay in the program."""
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and not node.users:
            name = getattr(node.target, "__name__", "")
            if name.startswith(("_assert", "sym_constrain")):
                graph.graph.erase_node(node)


def _mean_for_pool(graph: fx.Graph) -> None:
    """The average of whole maps as a mean: torch takes a pool apart into one that it strides anew,
    which no backend takes.
    """
    for node in graph.find_nodes(op="call_function", target=aten.adaptive_avg_pool2d.default):
        if list(node.args[1]) == [1, 1]:
            node.target, node.args = aten.mean.dim, (node.args[0], [2, 3], True)


def _fold_batchnorm(graph: fx.GraphModule) -> None:
    """A BatchNorm behind a convolution or a linear layer becomes its weight and bias."""
    for node in list(graph.graph.nodes):
        if node.target is not aten._native_batch_norm_legit_no_training.default:
            continue
        before, (scale, shift, mean, variance, _, eps) = node.args[0], node.args[1:7]
        results = list(node.users)
        alone = len(before.users) == 1 and all(user.args[1] == 0 for user in results)
        if not (alone and nodes.is_weighted(before)):
            continue
        bias = before.args[2] if len(before.args) > 2 else None
        constants = (before.args[1], bias, mean, variance, scale, shift)
        read = [None if each is None else nodes.tensor(graph, each) for each in constants]
        kernel, offset, centre, spread, factor, added = read
        assert kernel is not None
        assert centre is not None
        assert spread is not None
        weight, bias = fuse_conv_bn_weights(kernel, offset, centre, spread, eps, factor, added)
        name = f"{nodes.module_of(before)}.{before.name}"
        set_weight(graph, before, weight, f"{name}_folded_weight")
        set_bias(graph, before, bias, f"{name}_folded_bias")
        for user in results:
            user.replace_all_uses_with(before)
            graph.graph.erase_node(user)
        graph.graph.erase_node(node)


def set_weight(graph: fx.GraphModule, layer: fx.Node, value: torch.Tensor, name: str) -> None:
    """Give a layer a weight of its own."""
    layer.update_arg(1, constant(graph, layer, value, name))


def set_bias(graph: fx.GraphModule, layer: fx.Node, value: torch.Tensor, name: str) -> None:
    """Give a layer a bias of its own."""
    bias = constant(graph, layer, value, name)
    if len(layer.args) > 2:
        layer.update_arg(2, bias)
    else:
        layer.args = (*layer.args, bias)


def constant(graph: fx.GraphModule, before: fx.Node, value: torch.Tensor, name: str) -> fx.Node:
    """A node that reads a new buffer; before: where it stands. Its name keeps the module's path."""
    flat = f"edgecls_{name.replace('.', '_')}"
    graph.register_buffer(flat, value.detach().clone().contiguous())
    with graph.graph.inserting_before(before):
        made = graph.graph.get_attr(flat)
    made.meta["module"] = name.rpartition(".")[0]
    return made
