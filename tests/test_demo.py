"""The demo, whole: what `make demo` promises, on the embedded digits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A finished run with the defaults."""
    folder = tmp_path_factory.mktemp("demo")
    edgecls = Path(sys.executable).parent / "edgecls"
    done = subprocess.run([edgecls, "run"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().splitlines()[-1] == "report: runs/demo/report.html"
    return folder / "runs/demo"


@pytest.fixture(scope="module")
def rows(demo) -> list[dict]:
    return [json.loads(line) for line in (demo / "results.jsonl").read_text().splitlines()]


def find(rows, model, target, precision):
    keys = ("model", "target", "precision")
    (row,) = [r for r in rows if tuple(r[k] for k in keys) == (model, target, precision)]
    return row


def test_the_teacher_is_accurate(rows):
    assert find(rows, "teacher", "torch", "fp32")["top1"] >= 0.985


def test_every_target_has_its_rows(rows):
    assert len(rows) >= 10
    for target in ("onnxruntime", "openvino", "torch"):
        assert {row["measured"] for row in rows if row["target"] == target} == {"ok"}
    for precision in ("fp16", "int8"):
        row = find(rows, "student", "tensorrt", precision)
        assert (row["converted"], row["measured"]) == ("ok", "skipped")
        assert row["reason"] and row["fix"]
        row = find(rows, "student", "tensorrt-rtx", precision)
        if row["converted"] == "skipped":
            pytest.skip(row["reason"])
        assert (row["compiled"], row["measured"]) == ("ok", "skipped")
        assert row["reason"] and row["fix"]


def test_conversions_keep_what_the_nets_learned(rows):
    teacher = find(rows, "teacher", "torch", "fp32")["top1"]
    measured = [row for row in rows if row["measured"] == "ok"]
    for row in measured:
        if row["precision"] == "fp32":
            assert row["max_rel_logit_diff"] <= 1e-3
            assert row["top1_agreement"] >= 0.999
        if row["precision"] == "int8":
            assert row["top1"] >= teacher - 0.01


def test_one_row_is_recommended_and_it_is_small_and_accurate(rows, demo):
    (best,) = [row for row in rows if row["recommended"]]
    teacher = find(rows, "teacher", "torch", "fp32")
    weights = (demo / "models/teacher/model.safetensors").stat().st_size
    assert best["val_top1"] >= teacher["val_top1"] - 0.01
    assert best["top1"] >= teacher["top1"] - 0.01
    assert best["size_bytes"] * 8 <= weights


def test_bundles_and_models_have_their_names(demo):
    for name in ("models/teacher", "models/student"):
        assert (demo / name / "model.safetensors").is_file()
    for name in ("onnxruntime-int8", "openvino-fp32", "tensorrt-fp16", "torch-fp32"):
        meta = json.loads((demo / "bundles" / name / "meta.json").read_text())
        assert {"format", "target", "precision", "scheme", "input_shape", "labels"} <= set(meta)
        assert {"preprocess", "files", "versions", "run"} <= set(meta)
