"""The remedies on a real net: equalisation, bias correction, layers in float."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgecls.core import Placement, Remedies, Scheme
from edgecls.errors import ConversionError, UsageError
from edgecls.graph import run
from edgecls.quantize import bias, layers, ptq, running
from edgecls.quantize.equalise import equalise, pairs

UNSIGNED = Scheme("uint8", symmetric_activations=False)
SIGNED = Scheme("int8", symmetric_activations=True)
WEIGHTED = Placement(layers.WEIGHTED, layers.WEIGHTED, bias=False)
PLACES = [(UNSIGNED, Placement()), (SIGNED, WEIGHTED)]


def answers(graph, images, scheme, placement, **remedies):
    wanted = Remedies(**remedies)
    subject = ptq.subject(graph, images, wanted)
    # Exact, for 8-bit weights overflow in the products of a CPU without VNNI.
    return running.logits(ptq.quantized(subject, scheme, placement, wanted), images, exact=True)


def test_equalisation_leaves_the_answers_and_evens_the_channels_out(broken, calibration, error):
    model = onnx.load(broken)
    before = running.logits(model, calibration)
    assert equalise(model, calibration) == 3
    assert error(running.logits(model, calibration), before) < 1e-4
    names = [pair.between for pair in pairs(model)]
    for array in next(running.tensors(model, names, calibration)).values():
        tops = np.abs(array).max(axis=(0, 2, 3))
        assert tops.max() / np.median(tops) < 30  # it was 1000


@pytest.mark.parametrize(("scheme", "placement"), PLACES)
def test_equalisation_mends_a_net_with_a_channel_that_takes_the_range(
    broken, calibration, error, scheme, placement
):
    expected = run(broken, calibration)
    lost = error(answers(broken, calibration, scheme, placement), expected)
    mended = error(answers(broken, calibration, scheme, placement, equalise=True), expected)
    assert lost > 0.3 and mended < 0.2 * lost


@pytest.fixture
def two_layers():
    """conv → ReLU6 → depthwise conv → ReLU6 → conv, of which one channel reaches the limit."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=s) for s in ((4, 1, 3, 3), (4, 1, 3, 3), (10, 4, 1, 1))]
    weights[0][1] *= 0.002
    weights[0][2] *= 40
    nodes, constants, tensor = [], [], "x"
    for i, weight in enumerate(weights):
        constants.append(onnx.numpy_helper.from_array(weight.astype(np.float32), f"w{i}"))
        constants.append(onnx.numpy_helper.from_array(np.zeros(len(weight), np.float32), f"b{i}"))
        groups = 4 if i == 1 else 1
        nodes.append(onnx.helper.make_node("Conv", [tensor, f"w{i}", f"b{i}"], [f"c{i}"], f"n{i}"))
        nodes[-1].attribute.append(onnx.helper.make_attribute("group", groups))
        tensor = f"c{i}"
        if i < 2:
            nodes.append(onnx.helper.make_node("Clip", [tensor, "zero", "six"], [f"r{i}"]))
            tensor = f"r{i}"
    for name, value in (("zero", 0.0), ("six", 6.0)):
        constants.append(onnx.numpy_helper.from_array(np.array(value, np.float32), name))
    before = [
        onnx.helper.make_node("Cast", ["image"], ["f"], to=1),
        onnx.helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("Div", ["t", "six"], ["x"]),
    ]
    after = [onnx.helper.make_node("GlobalAveragePool", [tensor], ["g"])]
    after.append(onnx.helper.make_node("Flatten", ["g"], ["logits"]))
    graph = onnx.helper.make_graph(
        [*before, *nodes, *after],
        "net",
        [onnx.helper.make_tensor_value_info("image", 2, ["batch", 32, 32, 1])],
        [onnx.helper.make_tensor_value_info("logits", 1, ["batch", 10])],
        constants,
    )
    return onnx.helper.make_model(
        graph, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 18)]
    )


def test_under_relu6_just_the_channels_below_the_limit_are_scaled(two_layers, calibration, error):
    before = running.logits(two_layers, calibration)
    weight = onnx.numpy_helper.to_array(two_layers.graph.initializer[0]).copy()
    assert [pair.limit for pair in pairs(two_layers)] == [6.0, 6.0]
    assert equalise(two_layers, calibration) == 2
    assert error(running.logits(two_layers, calibration), before) < 1e-4
    scaled = onnx.numpy_helper.to_array(two_layers.graph.initializer[0])
    assert np.array_equal(scaled[2], weight[2])  # it reaches 6
    assert not np.allclose(scaled[1], weight[1], rtol=0.5)


@pytest.mark.parametrize("how", ["fast", "full"])
@pytest.mark.parametrize(("scheme", "placement"), PLACES)
def test_bias_correction_takes_the_mean_error_out(source, calibration, scheme, placement, how):
    # Ranges that cut much shift the means; that is what is corrected.
    cut = {"ranges": "percentile", "percentile": 97.0}
    expected = run(source.onnx(), calibration).mean(axis=0)
    plain = answers(source.onnx(), calibration, scheme, placement, **cut).mean(axis=0)
    mended = answers(
        source.onnx(), calibration, scheme, placement, bias_correction=how, **cut
    ).mean(axis=0)
    gain = np.abs(mended - expected).mean() / np.abs(plain - expected).mean()
    assert gain < (0.3 if how == "full" else 1.0)


def test_every_layer_gets_a_bias_of_its_own_and_answers_as_before(source, calibration):
    model = onnx.load(source.onnx())
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    same = [node for node in convs if node.input[2] and node is not convs[0]]
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    one, other = next(
        (a, b)
        for a in same
        for b in same
        if a is not b and shapes[a.input[2]] == shapes[b.input[2]]
    )
    other.input[2] = one.input[2]
    del convs[0].input[2:]
    before = running.logits(model, calibration)
    bias.with_own_biases(model)
    names = [node.input[2] for node in model.graph.node if node.op_type in bias.LAYERS]
    assert len(set(names)) == len(names) == 10
    assert np.allclose(running.logits(model, calibration), before, atol=1e-5)


def test_named_layers_stay_in_float_and_the_others_do_not(source, calibration):
    wanted = Remedies(float_layers=("stem.0", "head"))
    subject = ptq.subject(source.onnx(), calibration, wanted)
    model = ptq.quantized(subject, UNSIGNED, Placement(), wanted)
    kinds = {name: node.op_type for node in model.graph.node for name in node.output}
    names = layers.named(onnx.load(source.onnx()))
    in_float = {
        layer
        for layer, name in names.items()
        for node in model.graph.node
        if node.name == name
        and node.op_type in layers.WEIGHTED
        and kinds.get(node.input[1]) != "DequantizeLinear"
    }
    assert in_float == {"stem.0", "head"}


def test_a_layer_that_is_not_there_is_told_with_those_that_are(source, calibration):
    with pytest.raises(UsageError, match="unknown layer") as caught:
        ptq.subject(source.onnx(), calibration, Remedies(float_layers=("body.0.conv9",)))
    assert "body.0.conv1" in caught.value.fix


def test_smooth_quant_is_refused_where_it_is_not_done(source, calibration):
    with pytest.raises(ConversionError, match="SmoothQuant") as caught:
        ptq.subject(source.onnx(), calibration, Remedies(smooth_quant=0.5))
    assert "equalisation" in caught.value.fix
