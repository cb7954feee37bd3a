"""int8 without calibration: smaller weights, ranges that are found as the net runs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgecls.errors import ConversionError
from edgecls.quantize import running, weights_only


def test_weight_only_keeps_the_answers_and_a_quarter_of_the_bytes(source, calibration, error):
    model = onnx.load(source.onnx())
    before, size = running.logits(model, calibration), model.ByteSize()
    weights_only.weight_only(model)
    onnx.checker.check_model(model, full_check=True)
    assert model.ByteSize() < 0.35 * size
    assert error(running.logits(model, calibration), before) < 0.05
    made = {name: node for node in model.graph.node for name in node.output}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    assert all(made[node.input[1]].op_type == "DequantizeLinear" for node in layers)
    assert not any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def test_dynamic_finds_its_ranges_as_it_runs(source, calibration, error):
    model = onnx.load(source.onnx())
    before = running.logits(model, calibration)
    found = weights_only.dynamic(model)
    kinds = [node.op_type for node in found.graph.node]
    assert "DynamicQuantizeLinear" in kinds and "ConvInteger" in kinds and "Conv" not in kinds
    assert error(running.logits(found, calibration), before) < 0.3
    assert np.isfinite(running.logits(found, calibration[:1])).all()


def test_a_net_without_weights_is_refused(source):
    model = onnx.load(source.onnx())
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            node.op_type = "Identity"
    with pytest.raises(ConversionError, match="no weights"):
        weights_only.weight_only(model)
