"""The diagnosis names the layer that was broken, and says what to run."""

from __future__ import annotations

import json

import onnx
import pytest

from edgecls.core import Placement, Remedies, Scheme, SilentProgress
from edgecls.errors import EdgeclsError, UsageError
from edgecls.graph import run
from edgecls.quantize.diagnose import Judges, Task, diagnose
from edgecls.quantize.diagnosis import Diagnosis, advice

SCHEME = Scheme("uint8", symmetric_activations=False)


@pytest.fixture(scope="module")
def found(broken, calibration) -> Diagnosis:
    classes = run(broken, calibration).argmax(1)
    task = Task("onnxruntime", broken, SCHEME, Placement(), Remedies())
    judges = Judges("validation", calibration, classes)
    return diagnose(task, judges, calibration, SilentProgress())


def test_it_names_the_layers_that_break_the_net(found):
    assert found.drop > 2 and found.judged == "accuracy"
    # The channel takes the range between the two convolutions of a block; the second reads it.
    assert found.culprits()[0].layer == found.layers[0].layer == "body.1.conv2"
    assert found.layers[0].imbalance > 50
    assert all((each.imbalance or 0) < 50 for each in found.layers[1:])


def test_a_layer_in_float_brings_back_what_it_costs(found):
    by_name = {each.layer: each for each in found.layers}
    worst = found.layers[0]
    assert worst.divergence_without < 0.2 * found.divergence
    assert worst.divergence_alone > 20 * by_name["stem.0"].divergence_alone
    assert worst.output_db < by_name["stem.0"].output_db
    assert by_name["stem.0"].weights_db > 30 and by_name["node_add_60"].weights_db is None
    assert found.num_evaluations == 2 * len(found.layers) + 1


def test_the_advice_names_the_layers_and_the_commands(found):
    told = advice(found, "edgecls quantize NET --target onnxruntime")
    assert f"{found.drop:.2f} points" in told[0]
    names = ",".join(each.layer for each in found.culprits())
    assert any(f"--float-layers {names}" in sentence for sentence in told)
    assert any("--equalise" in sentence for sentence in told)
    assert "--max-drop" in told[-1]


def test_a_net_that_loses_nothing_is_left_in_peace(source, calibration):
    task = Task("onnxruntime", source.onnx(), SCHEME, Placement(("Gemm",)), Remedies())
    found = diagnose(task, Judges("calibration", calibration), calibration, SilentProgress())
    assert [each.layer for each in found.layers] == ["head"] and found.judged == "agreement"
    assert found.float_accuracy == 1.0
    if found.drop < 0.3:
        assert found.culprits() == [] and "Nothing needs to be done" in advice(found, "")[0]


def test_it_is_read_as_it_was_written(found, tmp_path):
    found.write(tmp_path / "diagnosis.json")
    data = json.loads((tmp_path / "diagnosis.json").read_text())
    assert Diagnosis.from_json(data) == found
    with pytest.raises(EdgeclsError, match="another format"):
        Diagnosis.from_json({**data, "format": 99})


def test_without_images_nothing_is_judged(source, calibration):
    task = Task("onnxruntime", source.onnx(), SCHEME, Placement(), Remedies())
    with pytest.raises(UsageError, match="no images"):
        diagnose(task, Judges("", calibration[:0]), calibration, SilentProgress())


def test_the_graph_itself_is_left_alone(found, broken):
    onnx.checker.check_model(str(broken))
    assert not any(n.op_type == "QuantizeLinear" for n in onnx.load(broken).graph.node)
