"""Q/DQ pairs put into a float graph, with ranges that are given: ONNX Runtime's tool does it."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls.core import Placement, Scheme
from edgecls.errors import ConversionError
from edgecls.graph import errors, normalisation_nodes
from edgecls.quantize.ranges import Range

if TYPE_CHECKING:
    import onnx


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` as the tool wants it: constants folded, shapes inferred. Raises ConversionError."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as scratch, told():
        given, inferred = Path(scratch) / "given.onnx", Path(scratch) / "inferred.onnx"
        onnx.save(model, given)
        quant_pre_process(str(given), str(inferred), skip_symbolic_shape=True)
        return onnx.load(inferred)


def insert(
    model: onnx.ModelProto,
    scheme: Scheme,
    placement: Placement,
    ranges: Mapping[str, Range],
    *,
    excluded: Collection[str] = (),
    only: Collection[str] = (),
) -> onnx.ModelProto:
    """A quantized copy of a `prepared` graph.

    ranges: of every activation. excluded: nodes that stay in float; only: if any, the others do.
    Raises ConversionError.
    """
    import numpy as np
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    given = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    with told():
        quantizer = QDQQuantizer(
            copied,
            scheme.per_channel,
            scheme.reduce_range,
            QuantType.QInt8,
            QuantType.QUInt8 if scheme.activation == "uint8" else QuantType.QInt8,
            TensorsData(CalibrationMethod.MinMax, given),
            list(only),
            [*normalisation_nodes(model), *excluded],
            list(placement.op_types) or sorted({*QDQRegistry, *QLinearOpsRegistry}),
            _options(scheme, placement),
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    _read_in_float(quantized, set(excluded))
    if placement.shortcuts:
        _quantize_shortcuts(quantized)
    return quantized


def _options(scheme: Scheme, placement: Placement) -> dict[str, Any]:
    return {
        "ActivationSymmetric": scheme.symmetric_activations,
        "WeightSymmetric": True,
        "QuantizeBias": placement.bias,
        "OpTypesToExcludeOutputQuantization": list(placement.fused),
        # Where just some operators are quantized, the products inside attention are not.
        "MatMulConstBOnly": bool(placement.op_types),
    }


def _read_in_float(model: onnx.ModelProto, excluded: Collection[str]) -> None:
    """Let the nodes that stay in float read what is before a Q and DQ, and drop those left over.

    Otherwise a layer in float would still read int8 that its neighbour had asked for.
    """
    made = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.name in excluded:
            for index, name in enumerate(node.input):
                back = made.get(name)
                into = made.get(back.input[0]) if back is not None else None
                if back is None or into is None or back.op_type != "DequantizeLinear":
                    continue
                if into.op_type == "QuantizeLinear":
                    node.input[index] = into.input[0]
    outputs = {value.name for value in model.graph.output}
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        read = {name for node in model.graph.node for name in node.input} | outputs
        kept = [n for n in model.graph.node if n.op_type != kind or n.output[0] in read]
        del model.graph.node[:]
        model.graph.node.extend(kept)


def _quantize_shortcuts(model: onnx.ModelProto) -> None:
    """Let an addition read the int8 form of a tensor that its branch reads in int8 anyway.

    Otherwise TensorRT keeps that tensor twice, in int8 and in fp16.
    """
    quantized: dict[str, str] = {}  # a Q's output -> its input
    restored: dict[str, str] = {}  # a tensor -> itself after Q and DQ, as far as the graph has gone
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            quantized[node.output[0]] = node.input[0]
        elif node.op_type == "DequantizeLinear" and node.input[0] in quantized:
            restored[quantized[node.input[0]]] = node.output[0]
        elif node.op_type == "Add":
            index = next((i for i, name in enumerate(node.input) if name in restored), None)
            if index is not None:
                node.input[index] = restored[node.input[index]]


@contextlib.contextmanager
def told() -> Iterator[None]:
    """The tool's refusals as ours, and without its advice to do what was just done."""
    refusals: tuple[type[Exception], ...] = (RuntimeError, ValueError, KeyError, *errors())
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    except refusals as error:
        raise ConversionError(
            f"ONNX Runtime cannot quantize this graph: {error}", "export fp32, or another net"
        ) from error
    finally:
        root.setLevel(before)
