"""coremltools on a captured graph, in float or in int8, with an image as its input.

Core ML gives the net the image's bytes as floats. They are normalised in the graph: first less the
mean's whole number, which float16 holds exactly, then by the channel's factor and its small rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from edgecls.core import Precision
from edgecls.device.preprocess import Preprocess
from edgecls.errors import ConversionError
from edgecls.quantize.program import capture, inlet
from edgecls.quantize.program.placing import ops
from edgecls.quantize.quiet import quiet

INPUT, OUTPUT = "image", "logits"
# The oldest systems that have the operators: those of int8 activations came a year later.
TARGETS: Mapping[str, str] = {"int8": "iOS17"}
OLDEST = "iOS16"
COLOURS = {"RGB": "RGB", "BGR": "BGR", "L": "GRAYSCALE"}
aten = torch.ops.aten
# float16's least normal number: smaller steps would lose their digits.
_LEAST_STEP = 2.0**-14
# Smaller tensors stay as they are: their steps would outweigh them.
_FEWEST_WEIGHTS = 512


def converted(graph: fx.GraphModule, preprocess: Preprocess, precision: Precision) -> Any:
    """coremltools' model of `graph`, which is in int8 where `precision` says so.

    Raises ConversionError.
    """
    _, height, width, channels = preprocess.input_shape
    shape = (1, channels, height, width)
    net = inlet.normalised(graph, preprocess.input_shape)
    _normalise(net, preprocess)
    _widen_steps(net)
    with quiet():
        import coremltools as ct

        with capture.telling():
            program = torch.export.export(net, (torch.zeros(*shape),)).run_decompositions({})
        colours = getattr(ct.colorlayout, COLOURS[preprocess.mode])
        exact = precision == "fp32"
        try:
            model = ct.convert(
                program,
                convert_to="mlprogram",
                inputs=[ct.ImageType(name=INPUT, shape=shape, color_layout=colours)],
                outputs=[ct.TensorType(name=OUTPUT, dtype=np.float32)],
                minimum_deployment_target=getattr(ct.target, deployment_target(precision)),
                compute_precision=ct.precision.FLOAT32 if exact else ct.precision.FLOAT16,
                skip_model_load=True,
            )
            return _small_weights(model) if precision == "int8-weights" else model
        except Exception as error:  # its frontend raises what it likes
            why = str(error).strip().partition("\n")[0]
            raise ConversionError(
                f"coremltools cannot convert this net: {type(error).__name__}: {why}",
                "choose another target, precision or net",
            ) from error


def deployment_target(precision: Precision) -> str:
    """The oldest system that runs it, as coremltools calls it; macOS is three numbers behind."""
    return TARGETS.get(precision, OLDEST)


def _normalise(net: fx.GraphModule, preprocess: Preprocess) -> None:
    """Put the normalisation before a net that takes normalised pixels, in place."""
    mean = np.array(preprocess.mean, np.float64) * 255
    scale = 1 / (np.array(preprocess.std, np.float64) * 255)
    whole = np.round(mean)
    (pixels,) = net.graph.find_nodes(op="placeholder")
    first = pixels.next
    with net.graph.inserting_before(pixels):
        image = net.graph.placeholder(INPUT)
    reached = image
    parts = ((aten.sub, whole), (aten.mul, scale), (aten.add, (whole - mean) * scale))
    for operator, values in parts:
        if operator is aten.add and not values.any():
            continue
        value = torch.from_numpy(values.astype(np.float32)).view(1, -1, 1, 1)
        constant = capture.constant(net, first, value, f"normalise.{operator.__name__}")
        with net.graph.inserting_before(first):
            reached = net.graph.call_function(operator.Tensor, (reached, constant))
    pixels.replace_all_uses_with(reached)
    net.graph.erase_node(pixels)
    capture.cleaned(net)


def _widen_steps(net: fx.GraphModule) -> None:
    """No step of an activation below what float16 holds: of a dead one it would be zero."""
    pairs = (ops.quantize_per_tensor.default, ops.dequantize_per_tensor.default)
    for node in net.graph.nodes:
        if node.target in pairs:
            node.update_arg(1, max(float(node.args[1]), _LEAST_STEP))
    net.recompile()


def _small_weights(model: Any) -> Any:
    """Weights in int8 with a step for each output channel; computed in float16 all the same."""
    from coremltools.optimize import coreml

    how = coreml.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=_FEWEST_WEIGHTS)
    return coreml.linear_quantize_weights(model, coreml.OptimizationConfig(global_config=how))
