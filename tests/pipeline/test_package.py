"""What a bundle is for: its machine, its batch, and which reference this machine may give."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecls import hardware, targets
from edgecls.core import Hardware, Outcome, Purpose, Scheme
from edgecls.device import golden, meta
from edgecls.errors import ConversionError, UsageError
from edgecls.graph import CheckpointSource
from edgecls.pipeline import package as packaging
from edgecls.pipeline.package import faithful, machine_of, package
from edgecls.runner import Runner

AVX2 = Hardware("an old laptop", "x86_64", ("avx2",))
VNNI = Hardware("a laptop", "x86_64", ("avx2", "avx_vnni"))
FULL = Scheme("uint8", symmetric_activations=False)
SIGNED = Scheme("int8", symmetric_activations=True)


@pytest.fixture(scope="module")
def source(tiny_checkpoint, tmp_path_factory) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tmp_path_factory.mktemp("graph") / "model.onnx")


@pytest.fixture
def make(source, tmp_path):
    def bundle(target: str, precision: str, **purpose) -> Path:
        out = tmp_path / f"{target}-{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        package("tiny", source, targets.get(target), precision, out, None, Purpose(**purpose))
        return out

    return bundle


@pytest.fixture
def old_laptop(monkeypatch):
    """This machine has no VNNI, as far as anybody asks."""
    monkeypatch.setattr("edgecls.hardware.here", lambda: AVX2)


@pytest.mark.parametrize(
    ("target", "scheme", "machine", "runs"),
    [
        ("onnxruntime", FULL, AVX2, False),
        ("onnxruntime", FULL, VNNI, True),
        ("onnxruntime", replace(FULL, reduce_range=True), AVX2, True),
        # ONNX Runtime turns int8 activations into uint8 on x86: seen to overflow worse.
        ("onnxruntime", SIGNED, AVX2, False),
        ("onnxruntime", None, AVX2, True),
        # Nothing is rewritten in an .ort file, and its kernels for int8 by int8 are exact.
        ("onnxruntime-mobile", SIGNED, AVX2, True),
        ("onnxruntime-mobile", FULL, AVX2, False),
        ("openvino", FULL, AVX2, False),
        ("openvino", FULL, VNNI, True),
    ],
)
def test_answers_that_overflow_here_are_no_reference(monkeypatch, target, scheme, machine, runs):
    monkeypatch.setattr("edgecls.hardware.here", lambda: machine)
    found = faithful(targets.get(target), "int8" if scheme else "fp32", scheme)
    assert (found.status == "ok") is runs
    if not runs:
        assert "overflow" in found.reason and "--on ssh://" in found.fix


def test_what_overflows_here_is_checked_in_float_and_not_run(make, old_laptop):
    out = make("onnxruntime", "int8", profile="x86-vnni")
    described = meta.read(str(out))
    assert described.golden.artifact is None and not (out / golden.ARTIFACT).exists()
    assert described.scheme is not None and described.scheme["name"] == "u8s8-pc"
    assert described.hardware["profile"] == "x86-vnni"
    assert described.details["emulated_max_rel_logit_diff"] < 0.5
    assert "overflow" in described.details["not_run_by_the_exporter"]


def test_a_bad_graph_for_another_machine_is_refused_all_the_same(make, old_laptop, monkeypatch):
    from edgecls.quantize import running

    def wrong(model, images, exact=False):
        return np.zeros((len(images), 10), np.float32) + np.arange(10)

    monkeypatch.setattr(running, "logits", wrong)
    with pytest.raises(ConversionError, match="differ from the source"):
        make("onnxruntime", "int8", profile="x86-vnni")


@pytest.mark.parametrize(("profile", "name"), [("x86-avx2", "u8s8-pc-rr"), ("arm64", "s8s8-pc")])
def test_the_scheme_is_the_machines_and_its_reason_is_kept(make, profile, name):
    out = make("onnxruntime", "int8", profile=profile)
    described = meta.read(str(out))
    assert described.scheme is not None and described.scheme["name"] == name
    assert (
        described.scheme["reason"] and described.scheme["reason"] in (out / "README.md").read_text()
    )
    assert json.loads((out / "meta.json").read_text())["hardware"]["profile"] == profile
    told = packaging.described(described)
    assert (told["scheme"], told["made_for"]) == (name, profile) and told["scheme_reason"]


def test_a_bundle_for_this_machine_is_made_for_nothing_else(make):
    described = meta.read(str(make("onnxruntime", "fp32")))
    assert packaging.described(described) == {"scheme": None, "scheme_reason": "", "made_for": ""}
    assert described.details == {}


def test_a_mobile_target_is_for_arm64_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr("edgecls.hardware.profiles.here", lambda: VNNI)
    mobile, plain = targets.get("onnxruntime-mobile"), targets.get("onnxruntime")
    assert machine_of(mobile, Purpose()).profile == "arm64"
    assert machine_of(mobile, Purpose("here")) == hardware.profile("here")
    assert machine_of(plain, Purpose()).profile == "here"
    assert machine_of(plain, Purpose("rtx")).profile == "rtx"


def test_what_this_cpu_cannot_multiply_is_converted_all_the_same_and_not_run(make, monkeypatch):
    """bf16 without its instructions: the bundle is for a machine that has them."""
    told = Outcome("skipped", "this CPU has no bf16", "another one")
    monkeypatch.setattr("edgecls.targets._openvino.runs", lambda precision: told)
    out = make("openvino", "bf16")
    described = meta.read(str(out))
    assert described.details["not_run_by_the_exporter"] == "this CPU has no bf16"
    assert described.precision == "bf16"


def test_a_target_that_says_nothing_of_machines_is_for_this_one():
    class Foreign:
        name = "foreign"
        precisions = ("fp32",)

        def availability(self):
            done = Outcome("ok")
            return type("All", (), {"convert": done, "compile": done, "run": done})

        def scheme(self, machine):
            return FULL

    target = Foreign()
    assert machine_of(target, Purpose()).profile == "here"  # type: ignore[arg-type]
    assert faithful(target, "fp32", FULL).status == "ok"  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="foreign takes a fixed number"):
        packaging._refuse(target, "fp32", Purpose(batch="dynamic"))  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("batch", [3, "dynamic"])
def test_a_bundle_with_another_batch_proves_itself_and_answers_alike(make, target, batch):
    one, other = make(target, "fp32"), make(target, "fp32", batch=batch)
    assert meta.read(str(other)).details["batch"] == batch
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 1), dtype=np.uint8)
    np.save(one.parent / "images.npy", images)
    found = []
    for bundle in (one, other):
        answer = bundle.parent / f"{bundle.name}.npy"
        request = {"do": "infer", "input": str(one.parent / "images.npy"), "output": str(answer)}
        with Runner(bundle, threads=1) as runner:
            assert runner.ask({"do": "verify"})["ok"]
            assert runner.hello["about"]["batch"] == (1 if bundle is one else batch)
            runner.ask(request)
            runner.ask({"do": "round", "queries": 2})
        found.append(np.load(answer))
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)


def test_a_batch_that_a_target_cannot_take_is_refused(make):
    with pytest.raises(UsageError, match="openvino-npu takes a fixed number"):
        make("openvino-npu", "fp16", batch="dynamic")
