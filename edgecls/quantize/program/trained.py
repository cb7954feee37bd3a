"""A net that was trained for int8, in the operators of PT2E: its own integers and its own steps.

What training did not round and a backend needs rounded, such as the logits, gets the extremes of
the calibration images as its range.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, fx, nn

from edgecls.core import Images, Remedies, Scheme
from edgecls.errors import ConversionError
from edgecls.quantize.program import capture, nodes, placing, watch
from edgecls.quantize.program.placing import Grid, Plan, Weights
from edgecls.quantize.ranges import choose


def quantized(
    net: nn.Module, input_shape: tuple[int, ...], scheme: Scheme, calibration: Images
) -> fx.GraphModule:
    """The int8 graph of a net of `edgecls.models.quantized.integers`, its batch still dynamic.

    Raises ConversionError.
    """
    graph = capture.captured(net, input_shape)
    weights = _weights(graph)
    known = _grids(graph)
    capture.cleaned(graph)
    plan = placing.plan(graph)
    grids = _completed(graph, plan, known, scheme, calibration)
    return placing.quantized(graph, plan, grids, weights, all_read=True)


def _weights(graph: fx.GraphModule) -> Weights:
    """Layer -> its integers and steps; in the graph it reads them as floats from now on."""
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for node in list(graph.graph.nodes):
        if node.target is not torch.ops.edgecls.dequantize.default:
            continue
        integers, steps = (nodes.tensor(graph, each) for each in node.args)
        values = integers.float() * steps.view(-1, *[1] * (integers.ndim - 1))
        # ``net.stem.0.weights.integers`` is of the module ``net.stem.0``.
        module = str(node.args[0].target).rpartition(".weights.")[0]
        for layer in list(node.users):
            capture.set_weight(graph, layer, values, f"{module}.{layer.name}_weight")
            found[layer.name] = (integers, steps)
    return found


def _grids(graph: fx.GraphModule) -> dict[str, Grid]:
    """Value -> how training rounded it; in the graph nothing is rounded from now on."""
    found = {}
    for node in list(graph.graph.nodes):
        if node.target is torch.ops.edgecls.quantize_dequantize.default:
            value, step = node.args
            found[value.name] = Grid(float(nodes.tensor(graph, step)), 0)
            node.replace_all_uses_with(value)
            graph.graph.erase_node(node)
    return found


def _completed(
    graph: fx.GraphModule,
    plan: Plan,
    known: Mapping[str, Grid],
    scheme: Scheme,
    calibration: Images,
) -> dict[str, Grid]:
    """The grids of all values of the plan, and of those besides that training rounded."""
    grids: dict[str, Grid] = {}
    for name, group in plan.values.items():
        if name in known and grids.setdefault(group, known[name]) != known[name]:
            raise ConversionError(
                "the net was trained with ranges of their own for features that are joined, and "
                "this target computes with one range for all of them",
                "export int8 from the model that it was trained from",
            )
    lacking = {name: group for name, group in plan.values.items() if group not in grids}
    if lacking and not len(calibration):
        raise ConversionError("int8 needs calibration images", "give some, or export fp32")
    for group, seen in watch.seen(graph, lacking, calibration).items() if lacking else ():
        grids[group] = Grid.of(*choose(seen, scheme, Remedies()))
    return {**known, **{name: grids[group] for name, group in plan.values.items()}}
