"""int8 without calibration: weights alone, or activations whose ranges are found as the net runs.

Both for ONNX Runtime. Weight-only makes the file smaller and nothing faster: every run multiplies
the weights out again. Dynamic pays for nets of products (attention), and costs time in small
convolutions.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecls.errors import ConversionError
from edgecls.graph import normal_form
from edgecls.quantize.insert import prepared, told
from edgecls.quantize.layers import WEIGHTED

if TYPE_CHECKING:
    import onnx


def weight_only(model: onnx.ModelProto) -> None:
    """Replace the weights of convolutions and products by int8 and a DequantizeLinear, in place.

    Symmetric, one scale for each output channel.
    """
    from onnx import helper, numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    done: set[str] = set()
    nodes = []
    for node in model.graph.node:
        name = node.input[1] if node.op_type in WEIGHTED else ""
        if name not in constants or constants[name].data_type != 1 or not constants[name].dims:
            continue
        if name not in done:
            weight = numpy_helper.to_array(constants[name])
            axis = _axis(node, weight.ndim)
            others = tuple(i for i in range(weight.ndim) if i != axis)
            scale = np.maximum(np.abs(weight).max(axis=others), 1e-12) / 127
            shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
            rounded = np.round(weight / scale.reshape(shape)).astype(np.int8)
            model.graph.initializer.append(numpy_helper.from_array(rounded, f"{name}.int8"))
            model.graph.initializer.append(
                numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale")
            )
            given, made = [f"{name}.int8", f"{name}.scale"], f"{name}.restored"
            nodes.append(
                helper.make_node("DequantizeLinear", given, [made], f"{name}.restore", axis=axis)
            )
            done.add(name)
        node.input[1] = f"{name}.restored"
    if not done:
        raise ConversionError("this net has no weights to quantize", "export fp32")
    _prepend(model, nodes)
    _drop_unread(model)


def dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph that finds the ranges of its activations anew at every run. Raises ConversionError.

    Weights are uint8 per tensor: ONNX Runtime's integer convolution takes nothing else on a CPU.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as scratch:
        given, made = Path(scratch) / "given.onnx", Path(scratch) / "made.onnx"
        onnx.save(prepared(model), given)
        with told():
            quantize_dynamic(str(given), str(made), weight_type=QuantType.QUInt8)
        found = onnx.load(made)
    if not any(node.op_type == "DynamicQuantizeLinear" for node in found.graph.node):
        raise ConversionError("this net has no layer to quantize dynamically", "export fp32")
    normal_form(found)
    return found


def _axis(node: onnx.NodeProto, rank: int) -> int:
    """The output channels of a weight."""
    if node.op_type == "MatMul":
        return rank - 1
    across = any(each.name == "transB" and each.i for each in node.attribute)
    return 0 if node.op_type == "Conv" or across else 1


def _prepend(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])


def _drop_unread(model: onnx.ModelProto) -> None:
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
