"""Rewriting of the symmetric QDQ graph of a net that was trained for int8: every step is exact.

The graph as it is exported has int8 activations with zero point 0, a ReLU before the Q, float
biases, and int8 weights with a step for each output channel. OpenVINO and TensorRT take it so.
ONNX Runtime computes a layer in int8 only where a DQ stands right before and a Q right behind it,
wants biases in int32, and on x86 uint8 activations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

UINT8_ZERO = 128
# They only move values, so they may read and give int8.
MOVES = ("MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split")
WEIGHTED = ("Conv", "Gemm", "MatMul")
# Largest magnitude of an int32 bias: the sum of the products comes on top of it.
BIAS_LIMIT = 1 << 30


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether there is a Q in the graph."""
    return any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def to_uint8(model: onnx.ModelProto) -> None:
    """Activations of int8 with zero point 0 become uint8 with 128: each integer plus 128."""
    from onnx import TensorProto, helper

    graph = _Graph.of(model)
    zeros = {
        node.input[2]
        for node in model.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
        and len(node.input) == 3
        and graph.initializers[node.input[2]].data_type == TensorProto.INT8
        and not graph.initializers[node.input[2]].dims
    }
    for name in zeros:
        zero = helper.make_tensor(name, TensorProto.UINT8, [], [UINT8_ZERO])
        graph.initializers[name].CopyFrom(zero)


def for_onnxruntime(model: onnx.ModelProto) -> None:
    """Bring every layer between a DQ and a Q, with an int32 bias and its zero points in writing."""
    _clamp_integers(model)
    _round_again(model)
    _quantize_biases(model)
    _write_zero_points(model)
    _drop_unread(model)


def _clamp_integers(model: onnx.ModelProto) -> None:
    """``Relu → Q → DQ`` becomes ``Q → Clip → DQ``: rounding does not change the order of values."""
    from onnx import helper

    graph = _Graph.of(model)
    for relu in [node for node in model.graph.node if node.op_type == "Relu"]:
        readers = graph.readers(relu.output[0])
        if len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
            continue
        (quantize,) = readers
        whole = quantize.output[0] + ".unclamped"
        clip = helper.make_node(
            "Clip", [whole, quantize.input[2]], [quantize.output[0]], name=f"{relu.name}.int8"
        )
        quantize.input[0], quantize.output[0] = relu.input[0], whole
        place = list(model.graph.node).index(quantize)
        model.graph.node.insert(place + 1, clip)
        model.graph.node.remove(relu)


def _round_again(model: onnx.ModelProto) -> None:
    """Put Q and DQ behind what moves values that come from a DQ: they are on its grid already."""
    from onnx import helper

    graph = _Graph.of(model)
    origins = {n.output[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}
    for node in [n for n in model.graph.node if n.op_type in MOVES]:
        origin = origins.get(node.input[0])
        if origin is None or len(origin.input) < 3 or len(node.output) != 1:
            continue
        moved = node.output[0]
        if any(reader.op_type == "QuantizeLinear" for reader in graph.readers(moved)):
            continue
        names = [f"{moved}.moved", f"{moved}.moved_int8"]
        parameters = list(origin.input[1:])
        node.output[0] = names[0]
        pair = [
            helper.make_node("QuantizeLinear", [names[0], *parameters], [names[1]], name=names[1]),
            helper.make_node("DequantizeLinear", [names[1], *parameters], [moved], name=moved),
        ]
        place = list(model.graph.node).index(node)
        for offset, each in enumerate(pair, 1):
            model.graph.node.insert(place + offset, each)
        origins[moved] = pair[1]


def _quantize_biases(model: onnx.ModelProto) -> None:
    """Biases in int32, with the step of the products. The rounding is below that of any product."""
    import numpy as np
    from onnx import helper, numpy_helper

    graph = _Graph.of(model)
    origins = {n.output[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}
    for node in [n for n in model.graph.node if n.op_type in WEIGHTED and len(n.input) == 3]:
        x, weight = (origins.get(name) for name in node.input[:2])
        bias = graph.initializers.get(node.input[2])
        if x is None or weight is None or bias is None:
            continue
        values = numpy_helper.to_array(bias).astype(np.float64)
        step = float(numpy_helper.to_array(graph.initializers[x.input[1]]))
        steps = _wide_enough(graph, weight, np.abs(values) / step / BIAS_LIMIT)
        products = (step * steps.astype(np.float64)).astype(np.float32)
        integers = np.rint(values / products).astype(np.int32)
        names = [f"{node.name}.bias_{part}" for part in ("int32", "steps", "float")]
        model.graph.initializer.extend(
            [
                numpy_helper.from_array(integers, names[0]),
                numpy_helper.from_array(products, names[1]),
            ]
        )
        restored = helper.make_node(
            "DequantizeLinear", names[:2], [names[2]], name=names[2], axis=0
        )
        node.input[2] = names[2]
        model.graph.node.insert(list(model.graph.node).index(node), restored)


def _wide_enough(graph: _Graph, weight: onnx.NodeProto, least: Any) -> Any:
    """The steps of a layer's weights, float32[out channels], none below `least`.

    A channel whose weights vanish beside its bias has a step that int32 cannot count the bias in.
    Its weights are rounded anew, by less than the bias's own rounding in float.
    """
    import numpy as np
    from onnx import numpy_helper

    integers, steps = (graph.initializers[name] for name in weight.input[:2])
    old, values = numpy_helper.to_array(steps), numpy_helper.to_array(integers)
    new = np.maximum(old, least).astype(np.float32)
    if np.any(new > old):
        factor = (old / new).reshape(-1, *[1] * (values.ndim - 1))
        again = np.rint(values * factor).astype(np.int8)
        integers.CopyFrom(numpy_helper.from_array(again, integers.name))
        steps.CopyFrom(numpy_helper.from_array(new, steps.name))
    return new


def _write_zero_points(model: onnx.ModelProto) -> None:
    """An int8 product of matrices is not found where the weights' zero point is left out."""
    import numpy as np
    from onnx import helper, numpy_helper

    graph = _Graph.of(model)
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) == 2:
            integers, steps = (graph.initializers[name] for name in node.input)
            kind = helper.tensor_dtype_to_np_dtype(integers.data_type)
            zero = numpy_helper.from_array(np.zeros(steps.dims, kind), f"{node.output[0]}.zero")
            model.graph.initializer.append(zero)
            node.input.append(zero.name)


def _drop_unread(model: onnx.ModelProto) -> None:
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


@dataclass(frozen=True)
class _Graph:
    """A model with its initializers by name, those that stood in nodes too."""

    model: onnx.ModelProto
    initializers: dict[str, onnx.TensorProto]

    @staticmethod
    def of(model: onnx.ModelProto) -> _Graph:
        _constants_to_initializers(model)
        return _Graph(model, {tensor.name: tensor for tensor in model.graph.initializer})

    def readers(self, name: str) -> list[onnx.NodeProto]:
        return list(self._readers(name))

    def _readers(self, name: str) -> Iterator[onnx.NodeProto]:
        return (node for node in self.model.graph.node if name in node.input)


def _constants_to_initializers(model: onnx.ModelProto) -> None:
    """The exporter writes zero points as nodes."""
    nodes = [node for node in model.graph.node if node.op_type == "Constant"]
    for node in nodes:
        (attribute,) = node.attribute
        if attribute.name != "value":
            continue
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(attribute.t)
        tensor.name = node.output[0]
        model.graph.node.remove(node)
