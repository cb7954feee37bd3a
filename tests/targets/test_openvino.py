"""OpenVINO: right in fp32, int8 by NNCF, the same bytes whatever was converted before."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from edgecls import hardware
from edgecls.core import Hardware, Request
from edgecls.device.golden import max_relative_difference
from edgecls.device.meta import sha256
from edgecls.errors import ConversionError
from edgecls.graph import CheckpointSource
from edgecls.targets.openvino import TARGET

HERE = Hardware("a server", "x86_64", ("avx2", "avx512_vnni"))


@pytest.fixture(scope="module")
def source(tiny_checkpoint) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "graph.onnx")


@pytest.fixture(scope="module")
def convert(source, tiny_data, tmp_path_factory):
    def make(precision="fp32", batch=1, images=8):
        scheme = TARGET.scheme(HERE) if precision == "int8" else None
        calibration = None
        if scheme and images is not None:
            calibration = np.asarray(tiny_data["calibration"][0])[:images]
        request = Request(precision, HERE, scheme, calibration, batch)
        return TARGET.convert(source, request, tmp_path_factory.mktemp(precision))

    return make


@pytest.fixture(scope="module")
def fp32(convert):
    return convert()


@pytest.fixture(scope="module")
def int8(convert):
    return convert("int8")


def answers(artifact, images: np.ndarray) -> np.ndarray:
    import openvino

    compiled = openvino.Core().compile_model(
        artifact.folder / artifact.files[0], "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return np.concatenate([compiled([images[i : i + 1]])[0] for i in range(len(images))])


def test_fp32_answers_as_pytorch_does(fp32, source, tiny_data):
    images = np.asarray(tiny_data["validation"][0])
    assert max_relative_difference(answers(fp32, images), source.logits(images)) <= 1e-3
    assert fp32.files == ("model.xml", "model.bin")
    assert sorted(path.name for path in fp32.folder.iterdir()) == ["model.bin", "model.xml"]
    assert fp32.compiled.status == "ok" and fp32.versions["openvino"]


def test_int8_answers_much_like_pytorch(int8, source, tiny_data):
    images = np.asarray(tiny_data["train"][0])
    found, expected = answers(int8, images), source.logits(images)
    assert max_relative_difference(found, expected) < 0.7
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.8
    assert int8.scheme == TARGET.scheme(HERE)


def test_int8_weights_are_stored_as_bytes(int8, fp32):
    text = (int8.folder / "model.xml").read_text()
    assert text.count('type="FakeQuantize"') > 5
    assert 'element_type="i8"' in text
    assert (int8.folder / "model.bin").stat().st_size < 0.4 * fp32.size_bytes


@pytest.mark.parametrize("batch", [1, 2])
def test_the_batch_is_fixed(convert, fp32, batch):
    artifact = fp32 if batch == 1 else convert(batch=batch)
    text = (artifact.folder / "model.xml").read_text()
    assert re.search(rf'<data shape="{batch},32,32,1" element_type="u8"', text)


def hashes(folder) -> list[str]:
    return [sha256(str(folder / name)) for name in ("model.xml", "model.bin")]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_conversions_are_the_same_bytes(convert, precision, request):
    first = request.getfixturevalue(precision)
    assert hashes(convert(precision).folder) == hashes(first.folder)


def test_another_process_converts_to_the_same_bytes(source, tiny_checkpoint, fp32, tmp_path):
    script = """
import pathlib, sys
from edgecls.core import Hardware, Request
from edgecls.graph import CheckpointSource
from edgecls.targets.openvino import TARGET
source = CheckpointSource(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
TARGET.convert(source, Request("fp32", Hardware("", "")), pathlib.Path(sys.argv[3]))
"""
    arguments = [str(tiny_checkpoint), str(source.onnx()), str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert hashes(tmp_path) == hashes(fp32.folder)


def test_it_says_nothing_of_the_machine_that_made_it(fp32, source):
    text = (fp32.folder / "model.xml").read_text()
    assert str(source.checkpoint) not in text and "/tmp" not in text


@pytest.mark.parametrize("images", [None, 0])
def test_int8_without_calibration_is_refused(convert, images):
    with pytest.raises(ConversionError, match="needs calibration images") as caught:
        convert("int8", images=images)
    assert caught.value.fix


def test_a_graph_that_openvino_refuses_is_a_conversion_error(source, tmp_path):
    class Broken:
        preprocess = source.preprocess

        def quantized(self, scheme):
            return None

        def onnx(self):
            (tmp_path / "broken.onnx").write_bytes(b"")
            return tmp_path / "broken.onnx"

    with pytest.raises(ConversionError, match="OpenVINO cannot convert this graph") as caught:
        TARGET.convert(Broken(), Request("fp32", HERE), tmp_path)
    assert caught.value.fix


def test_without_the_package_it_says_what_to_install(monkeypatch):
    assert TARGET.availability().run.status == "ok"
    monkeypatch.setattr(hardware, "package_version", lambda name: "")
    for step in vars(TARGET.availability()).values():
        assert step.status == "skipped" and step.reason and "pip install" in step.fix


@pytest.mark.parametrize(
    ("machine", "name", "symmetric"),
    [
        (HERE, "u8s8-pc", False),
        (Hardware("a newer one", "x86_64", ("avx512_vnni", "amx_int8")), "s8s8-pc", True),
        (Hardware("an old laptop", "x86_64", ("avx2",)), "u8s8-pc-rr", False),
        (Hardware("a board", "aarch64", ("neon", "dotprod")), "s8s8-pc", True),
    ],
)
def test_the_scheme_is_the_machines(machine, name, symmetric):
    """On AVX2 the plugin's products overflow as ONNX Runtime's do: it was seen under emulation."""
    scheme = TARGET.scheme(machine)
    assert (scheme.name, scheme.symmetric_activations) == (name, symmetric) and scheme.reason


def test_weights_have_7_bits_where_8_overflow(source, tiny_data, tmp_path):
    old = Hardware("an old laptop", "x86_64", ("avx2",))
    images = np.asarray(tiny_data["calibration"][0])[:8]
    largest = {}
    for machine in (HERE, old):
        (tmp_path / machine.name).mkdir()
        request = Request("int8", machine, TARGET.scheme(machine), images)
        TARGET.convert(source, request, tmp_path / machine.name)
        largest[machine.name] = _largest_weight(tmp_path / machine.name / "model.xml")
    assert largest["a server"] > 64 >= largest["an old laptop"]


def _largest_weight(path) -> int:
    import openvino

    model = openvino.Core().read_model(path)
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    found = [np.abs(op.data.astype(int)).max() for op in constants if op.data.dtype == np.int8]
    return int(max(found))


@pytest.mark.parametrize("full", [True, False], ids=["full", "else"])
def test_a_disk_that_cannot_be_written_is_no_fault_of_the_graph(tmp_path, monkeypatch, full):
    import openvino

    from edgecls.targets import _openvino

    def save(*_, **__):
        raise RuntimeError("basic_ios::clear: iostream error")

    def temporary(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(openvino, "save_model", save)
    if full:
        monkeypatch.setattr(tempfile, "TemporaryFile", temporary)
    with pytest.raises(OSError, match="No space left" if full else "iostream") as caught:
        _openvino._save(None, tmp_path / "model.xml", halves=False)
    assert caught.value.errno == (errno.ENOSPC if full else errno.EIO)
    assert caught.value.filename == str(tmp_path)
