"""A flatbuffer of LiteRT as objects: what the converter leaves out, and what it made.

The converter names every tensor after the classes of its modules, which is a tenth of a small
model, and ends an int8 net with int8 logits: names become numbers and a DEQUANTIZE is written.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

IDENTIFIER = b"TFL3"
DEQUANTIZE_VERSION = 2  # the first that takes int8
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
LAYOUT = "TRANSPOSE"


def finished(data: bytes) -> bytes:
    """The same model with short names and float32 logits."""
    model = _read(data)
    (graph,) = model.subgraphs
    for index in graph.outputs:
        if graph.tensors[index].type == _schema().TensorType.INT8:
            _dequantize(model, graph, int(index))
    for index, tensor in enumerate(graph.tensors):
        tensor.name = str(index).encode()
    return _written(model)


def op_names(data: bytes) -> list[str]:
    """The operators in the order in which they run."""
    model = _read(data)
    kinds = {v: k for k, v in vars(_schema().BuiltinOperator).items() if not k.startswith("_")}
    codes = [max(each.builtinCode, each.deprecatedBuiltinCode) for each in model.operatorCodes]
    return [kinds[codes[each.opcodeIndex]] for each in model.subgraphs[0].operators]


def histogram(data: bytes) -> dict[str, int]:
    """How many there are of each operator."""
    return dict(sorted(Counter(op_names(data)).items()))


def transposed_between_convolutions(data: bytes) -> int:
    """How many changes of layout stand between two convolutions: none, if it was converted well."""
    graph = _read(data).subgraphs[0]
    names = op_names(data)
    behind: dict[int, bool] = {}  # tensor -> whether a convolution is before it
    waiting: dict[int, int] = {}  # tensor -> transposes since the last convolution
    found = 0
    for name, each in zip(names, graph.operators, strict=True):
        given = [int(index) for index in each.inputs if index >= 0]
        after = any(behind.get(index) for index in given)
        count = max((waiting.get(index, 0) for index in given), default=0)
        if name in CONVOLUTIONS:
            found += count
            after, count = True, 0
        elif name == LAYOUT and after:
            count += 1
        for index in each.outputs:
            behind[int(index)], waiting[int(index)] = after, count
    return found


def _schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def _read(data: bytes) -> Any:
    """Weights that stand behind the flatbuffer, as the quantizer puts large ones, are taken in."""
    model = _schema().ModelT.InitFromPackedBuf(data, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 are those that stand in it
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def _written(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _dequantize(model: Any, graph: Any, index: int) -> None:
    """Let the graph end with the floats of that int8 output."""
    schema = _schema()
    kind = schema.BuiltinOperator.DEQUANTIZE
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = DEQUANTIZE_VERSION
    model.operatorCodes.append(code)

    logits = schema.TensorT()
    logits.shape = graph.tensors[index].shape
    logits.type = schema.TensorType.FLOAT32
    logits.buffer = 0  # the empty one
    graph.tensors.append(logits)
    new = len(graph.tensors) - 1

    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs = np.array([index], np.int32)
    operator.outputs = np.array([new], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    graph.operators.append(operator)
    graph.outputs = np.array([new if each == index else each for each in graph.outputs], np.int32)
    for signature in model.signatureDefs or ():
        for output in signature.outputs:
            if output.tensorIndex == index:
                output.tensorIndex = new
