"""NNCF's own int8 graph with layers in float: what a diagnosis of OpenVINO is judged by."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecls import targets
from edgecls.core import Purpose, Remedies, SilentProgress
from edgecls.graph import INPUT, OUTPUT, run
from edgecls.pipeline.quantizing import task_of
from edgecls.quantize import layers
from edgecls.quantize.diagnose import Judges, diagnose
from edgecls.quantize.nncf_variants import NncfVariants
from tests.quantize.conftest import UNSIGNED

CHANNELS, IMAGES = 8, 40


@pytest.fixture(scope="module")
def variants(source, calibration) -> NncfVariants:
    return NncfVariants(source.onnx(), UNSIGNED, calibration, Remedies())


def nodes(source) -> dict[str, str]:
    return layers.named(onnx.load(source.onnx()))


def test_with_all_layers_in_float_it_is_the_float_net(variants, source, calibration, error):
    everything = list(nodes(source).values())
    float_ = run(source.onnx(), calibration)
    assert error(variants.without(everything, calibration), float_) < 1e-3
    assert error(variants.without((), calibration), float_) > 5e-3


def test_one_layer_alone_costs_less_than_all(variants, source, calibration, error):
    float_ = run(source.onnx(), calibration)
    whole = error(variants.without((), calibration), float_)
    node = nodes(source)["body.1.conv2"]
    assert variants.quantizes(node)
    assert 1e-4 < error(variants.alone(node, calibration), float_) < whole
    assert error(variants.without([node], calibration), float_) < 1.2 * whole
    assert not variants.quantizes("no such node")


def test_the_diagnosis_of_openvino_is_judged_by_it(broken, calibration):
    classes = run(broken, calibration).argmax(1)
    task = task_of(broken, targets.get("openvino"), Remedies(), Purpose())
    judges = Judges("validation", calibration, classes)
    found = diagnose(task, judges, calibration, SilentProgress())
    assert "NNCF" in found.emulated and found.drop > 2
    assert found.culprits()[0].layer == "body.1.conv2"


def test_it_sees_what_is_cut_from_single_channels_of_a_depthwise_convolution(tmp_path, error):
    """A channel that only one image in ten has much of, below the largest of all channels."""
    path, images = depthwise(tmp_path / "model.onnx"), pictures()
    float_ = run(path, images)

    def lost(ranges: str) -> float:
        made = NncfVariants(path, UNSIGNED, images, Remedies(ranges=ranges))
        assert made.quantizes("depthwise")
        return error(made.alone("depthwise", images), float_)

    assert lost("mean") > 5 * lost("minmax")


def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 40, (IMAGES, 8, 8, 3), dtype=np.uint8)
    images[::10, ..., 0] += 200
    return images


def depthwise(path):
    """Eight channels that sum what is bright, of which the first one sees red alone."""
    rng = np.random.default_rng(1)
    first = np.abs(rng.normal(0, 0.002, (CHANNELS, 3, 1, 1))).astype(np.float32)
    first[:, 0], first[0] = 0, 0
    first[0, 0] = 0.001
    arrays = {
        "net.first.weight": first,
        "net.depthwise.weight": np.ones((CHANNELS, 1, 3, 3), np.float32),
        "net.head.weight": rng.normal(0, 1, (CHANNELS, 4)).astype(np.float32),
    }
    made = [
        helper.make_node("Cast", [INPUT], ["float"], to=TensorProto.FLOAT, name="cast"),
        helper.make_node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2], name="transpose"),
        helper.make_node("Conv", ["x", "net.first.weight"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node(
            "Conv",
            ["b", "net.depthwise.weight"],
            ["c"],
            group=CHANNELS,
            pads=[1, 1, 1, 1],
            name="depthwise",
        ),
        helper.make_node("GlobalAveragePool", ["c"], ["d"], name="pool"),
        helper.make_node("Flatten", ["d"], ["e"], name="flatten"),
        helper.make_node("MatMul", ["e", "net.head.weight"], [OUTPUT], name="head"),
    ]
    graph = helper.make_graph(
        made,
        "tiny",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
    return path
