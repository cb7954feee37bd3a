"""The rewriting of the QDQ graph is exact, and ends in what ONNX Runtime computes in int8."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgecls import qdq
from edgecls.core import Scheme
from edgecls.graph import CheckpointSource

S8 = Scheme("int8", symmetric_activations=True)


def _answers(
    model: onnx.ModelProto, image: NDArray[np.generic], optimised: bool
) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    answers: NDArray[np.float32] = session.run(None, {"image": image})[0]
    return answers


def _images(count: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 1), dtype=np.uint8)


def test_uint8_with_128_is_int8_with_0(int8_source: CheckpointSource) -> None:
    model = onnx.load(int8_source.quantized(S8))
    signed = _answers(model, _images(), optimised=False)
    qdq.to_uint8(model)
    onnx.checker.check_model(model, full_check=True)
    assert np.array_equal(signed, _answers(model, _images(), optimised=False))


def test_the_form_for_onnxruntime_gives_the_same_answers(int8_source: CheckpointSource) -> None:
    """Its biases alone are rounded, by less than a product; it may turn a value that lies between
    two integers."""
    model = onnx.load(int8_source.quantized(S8))
    before = _answers(model, _images(), optimised=False)
    qdq.for_onnxruntime(model)
    onnx.checker.check_model(model, full_check=True)
    after = _answers(model, _images(), optimised=False)
    assert float(np.abs(after - before).max()) < 0.05 * float(before.std())
    assert float(np.median(np.abs(after - before))) < 0.01 * float(before.std())


def test_onnxruntime_computes_every_layer_in_int8(
    int8_source: CheckpointSource, tmp_path: Path
) -> None:
    model = onnx.load(int8_source.quantized(S8))
    qdq.for_onnxruntime(model)
    qdq.to_uint8(model)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert (kinds["QLinearConv"], kinds["QLinearAdd"], kinds["QGemm"]) == (9, 3, 1)
    assert not kinds["Conv"] + kinds["FusedConv"] + kinds["Add"] + kinds["Gemm"] + kinds["Relu"]


def _layer(weights: NDArray[np.int8], steps: list[float], bias: list[float]) -> onnx.ModelProto:
    """image float[N, 2] → Q → DQ → Gemm."""
    tensors = {
        "step": np.float32(0.1),
        "zero": np.int8(0),
        "w": weights,
        "steps": np.array(steps, np.float32),
        "bias": np.array(bias, np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["w", "steps"], ["weight"], axis=0),
        helper.make_node("Gemm", ["x", "weight", "bias"], ["logits"], name="layer", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    opset = helper.make_opsetid("", 18)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


@pytest.mark.parametrize("tiny", [1e-12, 1e-30])
def test_a_bias_beside_vanishing_weights_fits_into_int32(tiny: float) -> None:
    model = _layer(np.array([[3, -5], [100, 7]], np.int8), [tiny, 0.01], [2.5, -1.0])
    image = np.array([[1.0, -2.0], [12.0, 0.3]], np.float32)
    before = _answers(model, image, optimised=False)
    qdq.for_onnxruntime(model)
    onnx.checker.check_model(model, full_check=True)
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    assert kinds["layer.bias_int32"] == TensorProto.INT32
    assert "bias" not in kinds
    assert np.allclose(_answers(model, image, optimised=False), before, atol=1e-3)
