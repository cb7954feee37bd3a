"""A canonical graph in half precision, for runtimes that take their types from the graph.

The image stays uint8, the normalisation and the logits fp32; every float tensor between is fp16.
Our own pass, because ONNX Runtime's goes to fp16 and back between the normalisation's nodes, and
turns a weight that does not fit into the largest one that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecls.errors import ConversionError
from edgecls.graph import OUTPUT, normalisation_nodes

if TYPE_CHECKING:
    import onnx

# Inputs that ONNX fixes to fp32, whatever the type of the data: (operator, index).
FLOAT_INPUTS = {("Resize", 2)}
# The first opset whose QuantizeLinear takes fp16; IR 9 holds it.
QUANTIZED_OPSET = 19
SUFFIX = ".fp16"


def to_fp16(model: onnx.ModelProto) -> None:
    """Convert `model` in place; one with Q/DQ nodes gets fp16 scales, and so opset 19.

    Raises ConversionError where a weight is beyond fp16, or an operator does not take it.
    """
    import onnx

    nodes = list(model.graph.node)
    if any(attribute.HasField("g") for node in nodes for attribute in node.attribute):
        raise ConversionError("a graph with branches or loops is not converted to fp16")
    normalisation = set(normalisation_nodes(model))
    inner = [node for node in nodes if node.name not in normalisation]
    if any(node.op_type == "QuantizeLinear" for node in nodes):
        _allow_fp16_scales(model)
    del model.graph.value_info[:]
    _convert_initializers(model.graph, inner)
    for node in inner:
        _convert_attributes(node)
    _cast_ends(model.graph, inner, [n for n in nodes if n.name in normalisation])
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"this net has no fp16 form: {error}", "export fp32") from error


def half(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """An fp32 tensor in fp16. What is not zero does not become zero: it is fp16's least instead.

    Raises ConversionError for a finite value beyond fp16's range.
    """
    import numpy as np
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    size = np.abs(values)
    limits = np.finfo(np.float16)
    if np.any(np.isfinite(size) & (size > limits.max)):
        raise ConversionError(
            f"{tensor.name} holds {size[np.isfinite(size)].max():g}, but fp16 ends at "
            f"{limits.max:g}",
            "export fp32, or train again with more weight decay",
        )
    least = limits.smallest_subnormal
    values = np.where((size > 0) & (size < least), np.copysign(least, values), values)
    return numpy_helper.from_array(values.astype(np.float16), tensor.name)


def _allow_fp16_scales(model: onnx.ModelProto) -> None:
    """Raise the opset: 19 takes all that 18 does, and fp16 scales."""
    for entry in model.opset_import:
        if not entry.domain:
            entry.version = max(entry.version, QUANTIZED_OPSET)


def _convert_initializers(graph: onnx.GraphProto, inner: Sequence[onnx.NodeProto]) -> None:
    """Give the inner nodes fp16 copies of what they read, and drop what nobody reads any more."""
    from onnx import TensorProto

    floats = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT}
    halves: dict[str, onnx.TensorProto] = {}
    for node in inner:
        for index, name in enumerate(node.input):
            if name in floats and (node.op_type, index) not in FLOAT_INPUTS:
                halves.setdefault(name, half(floats[name])).name = name + SUFFIX
                node.input[index] = name + SUFFIX
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *halves.values()])


def _convert_attributes(node: onnx.NodeProto) -> None:
    from onnx import TensorProto, helper

    if node.op_type == "ConstantOfShape" and not node.attribute:  # fp32 zeros by default
        zero = helper.make_tensor("value", TensorProto.FLOAT16, [1], [0.0])
        node.attribute.append(helper.make_attribute("value", zero))
    for attribute in node.attribute:
        if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(half(attribute.t))
        elif node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16


def _cast_ends(
    graph: onnx.GraphProto,
    inner: Sequence[onnx.NodeProto],
    normalisation: Sequence[onnx.NodeProto],
) -> None:
    """To fp16 behind the normalisation, and back to fp32 for the logits."""
    from onnx import TensorProto, helper

    if not normalisation:
        raise ConversionError("this graph does not begin with a normalisation", "report this net")
    first = normalisation[-1].output[0]
    names = {first: first + SUFFIX, OUTPUT: OUTPUT + SUFFIX}
    for node in inner:
        for tensors in (node.input, node.output):
            for index, name in enumerate(tensors):
                tensors[index] = names.get(name, name)
    begin = helper.make_node(
        "Cast", [first], [names[first]], name="to_fp16", to=TensorProto.FLOAT16
    )
    end = helper.make_node("Cast", [names[OUTPUT]], [OUTPUT], name="to_fp32", to=TensorProto.FLOAT)
    place = [node.name for node in graph.node].index(normalisation[-1].name) + 1
    graph.node.insert(place, begin)
    graph.node.append(end)
