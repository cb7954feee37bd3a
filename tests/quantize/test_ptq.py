"""Post-training quantization: QDQ, symmetric int8 weights per channel, what the scheme says."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgecls import graph
from edgecls.core import Placement, Remedies, Scheme
from edgecls.device.golden import max_relative_difference
from edgecls.errors import ConversionError
from edgecls.quantize import ptq, running

SCHEMES = {
    "u8s8-pc": Scheme("uint8", symmetric_activations=False),
    "u8s8-pc-rr": Scheme("uint8", symmetric_activations=False, reduce_range=True),
    "s8s8-pc": Scheme("int8", symmetric_activations=True),
}


@pytest.fixture(scope="module")
def source(tiny_checkpoint) -> graph.CheckpointSource:
    return graph.CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "graph.onnx")


@pytest.fixture(scope="module")
def calibration(tiny_data) -> np.ndarray:
    return np.asarray(tiny_data["calibration"][0])


@pytest.fixture(scope="module", params=SCHEMES)
def quantized(request, source, calibration, tmp_path_factory) -> tuple[Scheme, Path]:
    path = tmp_path_factory.mktemp("ptq") / "model.onnx"
    scheme = SCHEMES[request.param]
    assert scheme.name == request.param
    ptq.quantize(source.onnx(), scheme, calibration, path)
    return scheme, path


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def test_every_layer_reads_quantized_inputs_and_weights(quantized):
    scheme, path = quantized
    model = onnx.load(path)
    values, made = constants(model), producers(model)
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(layers) == 10
    for layer in layers:
        assert all(made[name].op_type == "DequantizeLinear" for name in layer.input)
        weight = made[layer.input[1]]
        tensor, scale, zero = (values[name] for name in weight.input)
        assert (tensor.dtype, zero.dtype) == (np.int8, np.int8) and not zero.any()
        assert scale.shape == (tensor.shape[0],)  # one for each output channel
        limit = 64 if scheme.reduce_range else 127
        assert np.abs(tensor.astype(int)).max() <= limit
        assert np.abs(tensor.astype(int)).max() >= limit - 1  # and the range is used


def test_activations_are_what_the_scheme_says(quantized):
    scheme, path = quantized
    model = onnx.load(path)
    values = constants(model)
    zeros = [values[n.input[2]] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert zeros and {zero.dtype for zero in zeros} == {np.dtype(scheme.activation)}
    if scheme.symmetric_activations:
        assert {int(zero) for zero in zeros} == {0}
    else:
        assert len({int(zero) for zero in zeros}) > 1


def test_normalisation_stays_in_float(quantized):
    model = onnx.load(quantized[1])
    nodes = {node.name: node for node in model.graph.node}
    chain = [nodes[name] for name in graph.normalisation_nodes(model)]
    assert [node.op_type for node in chain] == ["Cast", "Transpose", "Sub", "Mul"]
    readers = [n.op_type for n in model.graph.node if chain[-1].output[0] in n.input]
    assert readers == ["QuantizeLinear"]


def test_it_answers_much_like_its_source(quantized, source, tiny_data):
    images = np.asarray(tiny_data["train"][0])
    expected = source.logits(images)
    # Exact, for 8-bit weights overflow in the products of a CPU without VNNI.
    found = running.logits(onnx.load(quantized[1]), images, exact=True)
    assert max_relative_difference(found, expected) < 0.5
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.8


def test_it_is_canonical_in_form(quantized):
    model = onnx.load(quantized[1])
    assert model.ir_version == graph.IR_VERSION
    # An old runtime refuses domains that it does not know, used or not.
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", graph.OPSET)]
    assert not model.metadata_props and model.producer_name == "edgecls"
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_it_is_the_same_bytes_every_time(quantized, source, calibration, tmp_path):
    scheme, path = quantized
    before = source.onnx().read_bytes()
    ptq.quantize(source.onnx(), scheme, calibration, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()
    assert source.onnx().read_bytes() == before


def test_without_images_there_is_no_int8(source, calibration, tmp_path):
    with pytest.raises(ConversionError, match="needs calibration images") as caught:
        ptq.quantize(source.onnx(), SCHEMES["u8s8-pc"], calibration[:0], tmp_path / "m.onnx")
    assert caught.value.fix


def test_a_graph_that_the_tool_refuses_is_a_conversion_error(source, calibration, tmp_path):
    model = onnx.load(source.onnx())
    model.graph.node[-1].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "broken.onnx")
    with pytest.raises(ConversionError, match="cannot quantize this graph") as caught:
        ptq.quantize(tmp_path / "broken.onnx", SCHEMES["u8s8-pc"], calibration, tmp_path / "m.onnx")
    assert caught.value.fix


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_that_are_zero_stay_zero(source, calibration, tmp_path, scheme):
    """So a net is made sparse first and converted to int8 then."""
    model = onnx.load(source.onnx())
    layer = [node for node in model.graph.node if node.op_type == "Conv"][3]
    kept = next(tensor for tensor in model.graph.initializer if tensor.name == layer.input[1])
    weight = numpy_helper.to_array(kept).copy()
    weight[:, ::2] = 0
    kept.CopyFrom(numpy_helper.from_array(weight, kept.name))
    onnx.save(model, tmp_path / "sparse.onnx")
    remedies = Remedies(bias_correction="full", equalise=True)
    task = ptq.subject(tmp_path / "sparse.onnx", calibration, remedies)
    found = ptq.quantized(task, SCHEMES[scheme], Placement(), remedies)
    values, made = constants(found), producers(found)
    same = next(node for node in found.graph.node if node.name == layer.name)
    tensor = values[made[same.input[1]].input[0]]
    assert not tensor[:, ::2].any() and tensor[:, 1::2].any()


def test_logging_is_left_as_it_was(source, calibration, tmp_path, caplog):
    level = logging.getLogger().level
    ptq.quantize(source.onnx(), SCHEMES["s8s8-pc"], calibration, tmp_path / "model.onnx")
    assert logging.getLogger().level == level
    assert not caplog.records
