"""Post-training quantization of a net for a target that takes no ONNX, with its remedies.

Weights are symmetric int8 per output channel, activations what the `Scheme` says; ranges, bias
correction and equalisation are those of the canonical graph (`edgecls.quantize.ranges`, Nagel et
al. 2019). Normalisation stays in float.
"""

from __future__ import annotations

from torch import fx, nn

from edgecls.core import Images, Remedies, Scheme
from edgecls.errors import ConversionError
from edgecls.quantize.program import bias, capture, equalise, nodes, placing, watch
from edgecls.quantize.program.placing import Grid, Plan
from edgecls.quantize.ranges import choose


def quantized(
    net: nn.Module,
    input_shape: tuple[int, ...],
    scheme: Scheme,
    calibration: Images,
    remedies: Remedies,
) -> fx.GraphModule:
    """The graph of `net` in int8, its batch still dynamic. Raises ConversionError, UsageError.

    input_shape: (N, H, W, C); calibration: uint8[N, H, W, C].
    """
    if not len(calibration):
        raise ConversionError("int8 needs calibration images", "give some, or export fp32")
    if remedies.smooth_quant is not None:
        raise ConversionError(
            "SmoothQuant is not done on this target's graph", "use equalisation instead"
        )
    graph = capture.captured(net, input_shape)
    outside = nodes.named(graph, remedies.float_layers)
    step = watch.batch_of(graph)
    if remedies.equalise:
        equalise.equalise(graph, calibration, step)
    plan = placing.plan(graph, outside)
    if not plan.layers:
        raise ConversionError(
            "int8 has nothing to do: no layer of this net is quantized", "export fp32"
        )
    grids = _grids(graph, plan, scheme, calibration, remedies)
    limit = placing.REDUCED_LIMIT if scheme.reduce_range else placing.WEIGHT_LIMIT

    def made(graph: fx.GraphModule) -> fx.GraphModule:
        return placing.quantized(graph, plan, grids, placing.weights(graph, plan, limit))

    if remedies.bias_correction == "none":
        return made(graph)
    bias.with_own_biases(graph)
    shifts = bias.shifts(graph, made(graph), calibration, remedies.bias_correction, step)
    bias.correct(graph, shifts)
    return made(graph)


def _grids(
    graph: fx.GraphModule, plan: Plan, scheme: Scheme, calibration: Images, remedies: Remedies
) -> dict[str, Grid]:
    logits = plan.values.get(nodes.output(graph).name)
    grids: dict[str, Grid] = {}
    for group, seen in watch.seen(graph, plan.values, calibration).items():
        # A class that is sure is not to be cut: its logit would equal another's.
        how = Remedies() if group == logits else remedies
        grids[group] = Grid.of(*choose(seen, scheme, how))
    return {name: grids[group] for name, group in plan.values.items()}
