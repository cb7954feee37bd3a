"""ONNX Runtime: right in fp32, int8 in the scheme of the CPU, a batch that is fixed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgecls import hardware
from edgecls.core import Hardware, Request
from edgecls.device.golden import max_relative_difference
from edgecls.errors import ConversionError
from edgecls.graph import CheckpointSource, run
from edgecls.targets.onnxruntime import TARGET

VNNI = Hardware("a server", "x86_64", ("avx2", "avx512f", "avx512_vnni"))
AVX2 = Hardware("an old laptop", "x86_64", ("avx2",))
ARM = Hardware("a Raspberry Pi", "aarch64", ("neon",))


@pytest.fixture(scope="module")
def source(tiny_checkpoint) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "graph.onnx")


@pytest.fixture
def convert(source, tiny_data, tmp_path):
    def make(precision="fp32", machine=VNNI, batch=1, calibration=True, out="out"):
        (tmp_path / out).mkdir()
        scheme = TARGET.scheme(machine) if precision == "int8" else None
        images = np.asarray(tiny_data["calibration"][0]) if scheme and calibration else None
        request = Request(precision, machine, scheme, images, batch)
        return TARGET.convert(source, request, tmp_path / out)

    return make


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (VNNI, "u8s8-pc"),
        (Hardware("", "x86_64", ("avx2", "avx_vnni")), "u8s8-pc"),
        (Hardware("", "x86_64", ("amx_int8",)), "u8s8-pc"),
        (AVX2, "u8s8-pc-rr"),
        (Hardware("", "x86_64"), "u8s8-pc-rr"),
        (ARM, "s8s8-pc"),
        (Hardware("", "arm64"), "s8s8-pc"),
    ],
)
def test_the_scheme_is_what_the_cpu_is_fast_and_right_at(machine, name):
    scheme = TARGET.scheme(machine)
    assert scheme.name == name and scheme.reason
    assert scheme.symmetric_activations == name.startswith("s8")


def test_fp32_answers_as_pytorch_does(convert, source, tiny_data):
    artifact = convert()
    images = np.asarray(tiny_data["validation"][0])
    found = run(artifact.folder / artifact.files[0], images)
    assert max_relative_difference(found, source.logits(images)) <= 1e-3
    assert (artifact.target, artifact.precision, artifact.scheme) == ("onnxruntime", "fp32", None)
    assert artifact.size_bytes == (artifact.folder / "model.onnx").stat().st_size
    assert artifact.compiled.status == "ok" and artifact.versions["onnxruntime"]


@pytest.mark.parametrize("machine", [VNNI, AVX2, ARM])
def test_int8_answers_much_like_pytorch(convert, source, tiny_data, machine):
    artifact = convert("int8", machine)
    model = onnx.load(artifact.folder / "model.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("QuantizeLinear") > 5 and not [k for k in kinds if k.startswith("QLinear")]
    images = np.asarray(tiny_data["validation"][0])
    found = run(artifact.folder / "model.onnx", images)
    assert max_relative_difference(found, source.logits(images)) < 0.5
    assert artifact.scheme == TARGET.scheme(machine)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_batch_is_fixed(convert, precision):
    for batch in (1, 3):
        artifact = convert(precision, batch=batch, out=str(batch))
        model = onnx.load(artifact.folder / "model.onnx")
        shapes = [
            [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*model.graph.input, *model.graph.output)
        ]
        assert shapes == [[batch, 32, 32, 1], [batch, 10]]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_two_conversions_are_the_same_bytes(convert, precision):
    one, other = convert(precision, out="one"), convert(precision, out="other")
    assert [p.name for p in one.folder.iterdir()] == ["model.onnx"]
    assert (one.folder / "model.onnx").read_bytes() == (other.folder / "model.onnx").read_bytes()


def test_int8_without_calibration_is_refused(convert):
    with pytest.raises(ConversionError, match="needs calibration images") as caught:
        convert("int8", calibration=False)
    assert caught.value.fix


def test_a_graph_that_is_not_sound_is_refused(convert, monkeypatch):
    def unsound(model, batch):
        model.graph.node[0].op_type = "NoSuchOperator"

    monkeypatch.setattr("edgecls.graph.with_batch", unsound)
    with pytest.raises(ConversionError, match="is not sound") as caught:
        convert()
    assert caught.value.fix


def test_without_the_package_it_says_what_to_install(monkeypatch):
    assert TARGET.availability().run.status == "ok"
    monkeypatch.setattr(hardware, "package_version", lambda name: "")
    for step in vars(TARGET.availability()).values():
        assert step.status == "skipped" and step.reason and "pip install" in step.fix


def test_the_snippet_runs(convert, source, tiny_data, monkeypatch):
    import onnxruntime

    artifact = convert()
    pixels = np.asarray(tiny_data["test"][0])[:1]
    names = {"onnxruntime": onnxruntime, "pixels": pixels}
    exec(TARGET.snippet(str(Path(artifact.folder) / artifact.files[0])), names)
    assert max_relative_difference(names["logits"], source.logits(pixels)) <= 1e-3
