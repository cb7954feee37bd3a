"""`quantize`: remedies, the diagnosis, and a loss that is bounded."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def quantize(edgecls, quick_export, tiny_checkpoint):
    def run(*more):
        return edgecls("quantize", tiny_checkpoint, "--target", "onnxruntime", *more)

    return run


def test_remedies_are_applied_and_the_bundle_says_so(quantize, tmp_path):
    more = ("--ranges", "percentile", "--percentile", 99.9, "--bias-correction", "full")
    ended = quantize(*more, "--equalise", "--float-layers", "stem.0,head", "--out", "small")
    assert ended.status == 0, ended.err
    told = json.loads((tmp_path / "cwd" / "small" / "meta.json").read_text())
    assert told["details"]["remedies"] == {
        "ranges": "percentile",
        "percentile": 99.9,
        "bias_correction": "full",
        "equalise": True,
        "smooth_quant": None,
        "float_layers": ["stem.0", "head"],
    }


@pytest.mark.parametrize("precision", ["int8-dynamic", "int8-weights"])
def test_int8_without_ranges_is_a_bundle_of_its_own(quantize, tmp_path, precision):
    ended = quantize("--precision", precision)
    assert ended.status == 0, ended.err
    told = json.loads((tmp_path / "cwd" / f"onnxruntime-{precision}" / "meta.json").read_text())
    assert told["precision"] == precision and told["scheme"] is None


def test_the_diagnosis_is_a_table_a_file_and_advice(quantize, tmp_path):
    ended = quantize("--diagnose")
    assert ended.status == 0, ended.err
    assert "body.0.conv1" in ended.out and "int8 costs" in ended.out
    told = json.loads((tmp_path / "cwd" / "diagnosis.json").read_text())
    assert told["judged"] == "agreement" and told["float_accuracy"] == 1.0
    assert quantize("--diagnose").status == 2  # the file is there


def test_a_bound_that_no_step_holds_is_a_failure_that_leaves_the_best(
    quantize, digit_images, tmp_path, monkeypatch
):
    from edgecls.pipeline import climb

    monkeypatch.setattr(climb, "_top1", lambda logits, classes: 1.5)
    monkeypatch.setattr(climb, "MOST_FLOAT", 0)
    monkeypatch.setattr("edgecls.quantize.ladder.ONNX", ())
    ended = quantize("--max-drop", 0.5, "--no-qat", "--data", digit_images, "--out", "small")
    assert ended.status == 1 and "0.5 points" in ended.err and "fix:" in ended.err
    assert (tmp_path / "cwd" / "small" / "meta.json").is_file()
    assert json.loads((tmp_path / "cwd" / "small.climb.json").read_text())["steps"]
    assert "record: small.climb.json" in ended.out


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_file_in_the_place_of_the_record_stays(quantize, tmp_path, force):
    mine = tmp_path / "cwd" / "small.climb.json"
    mine.write_text("mine")
    ended = quantize("--max-drop", 0.5, "--data", "digits", "--out", "small", *force)
    assert ended.status == 2 and "small.climb.json" in ended.err and "fix:" in ended.err
    assert mine.read_text() == "mine" and not (tmp_path / "cwd" / "small").exists()


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        (("--max-drop", 0.5), "judged on validation images"),
        (("--diagnose", "--max-drop", 0.5, "--data", "digits"), "two commands"),
        (("--percentile", 99, "--ranges", "entropy"), "percentile is of"),
        (("--percentile", 20), "percentile"),
        (("--float-layers", "body.9"), "unknown layer"),
        (("--precision", "int8-weights", "--equalise"), "remedies are of int8"),
        (("--set", "quantize.max_drop=0.01"), "judged on validation images"),
        (("--diagnose", "--set", "quantize.max_drop=0.01"), "two commands"),
        (("--diagnose", "--precision", "int8-dynamic"), "--diagnose is of int8, not int8-dynamic"),
        (("--data", "digits"), "--data has no effect"),
        (("--set", "data.path=digits"), "--data has no effect"),
        (("--no-qat",), "--no-qat have no effect"),
        (("--diagnose", "--set", "quantize.qat=false"), "--no-qat have no effect"),
        (("--smooth-quant", 0.5), "onnxruntime has no SmoothQuant (openvino, openvino-gpu"),
        (("--smooth-quant", 0.5, "--max-drop", 1, "--data", "digits"), "no SmoothQuant"),
    ],
)
def test_senseless_wishes_are_refused_with_the_cure(quantize, more, cause):
    ended = quantize(*more)
    assert ended.status == 2 and cause in ended.err and "fix:" in ended.err
