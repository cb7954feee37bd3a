"""Core ML: converted anywhere, its package checked operator for operator, its kit driven."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecls import hardware
from edgecls.core import Hardware, Request
from edgecls.device import meta
from edgecls.device.golden import agreement, max_relative_difference
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.graph import CheckpointSource
from edgecls.targets.coreml import MODEL, TARGET

if not hardware.package_version("coremltools"):
    pytest.skip("pip install 'edgecls[coreml]' brings the converter", allow_module_level=True)

PHONE = Hardware("a phone", "aarch64", ("neon", "dotprod"))


@pytest.fixture(scope="module")
def source(tiny_checkpoint) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "coreml-graph.onnx")


@pytest.fixture(scope="module")
def convert(source, tiny_data, tmp_path_factory):
    def make(precision="fp32", batch=1, images=16, source=source):
        scheme = TARGET.scheme(PHONE) if precision == "int8" else None
        calibration = None
        if precision != "fp32" and images is not None:
            calibration = np.asarray(tiny_data["calibration"][0])[:images]
        request = Request(precision, PHONE, scheme, calibration, batch)
        return TARGET.convert(source, request, tmp_path_factory.mktemp(precision))

    return make


@pytest.fixture(scope="module")
def fp32(convert):
    return convert()


@pytest.fixture(scope="module")
def int8(convert):
    return convert("int8")


def answers(artifact, images):
    from edgecls.quantize.coreml import answers

    return answers.logits(artifact.folder / MODEL, images)


def test_fp32_says_what_pytorch_says(fp32, source, tiny_data):
    images = np.asarray(tiny_data["validation"][0])
    assert max_relative_difference(answers(fp32, images), source.logits(images)) <= 1e-3
    assert fp32.details["emulated_max_rel_logit_diff"] <= 1e-3
    assert fp32.compiled.status == "skipped"
    assert fp32.details["minimum_deployment_target"] == "iOS16"


def test_an_image_goes_in_and_floats_come_out(fp32, int8):
    from edgecls.quantize.coreml import package

    for artifact in (fp32, int8):
        description = package.specification(artifact.folder / MODEL).description
        image = description.input[0].type.imageType
        assert (description.input[0].name, image.height, image.width) == ("image", 32, 32)
        assert image.colorSpace == image.GRAYSCALE
        array = description.output[0].type.multiArrayType
        assert (description.output[0].name, list(array.shape)) == ("logits", [1, 10])
        assert array.dataType == array.FLOAT32


def test_int8_has_int8_weights_and_activations(int8, source, tiny_data):
    operators = int8.details["operators"]
    assert operators["constexpr_affine_dequantize"] == 10
    assert operators["quantize"] >= 10
    assert int8.details["minimum_deployment_target"] == "iOS17"
    assert int8.scheme == TARGET.scheme(PHONE)
    images = np.asarray(tiny_data["train"][0])
    found, expected = answers(int8, images), source.logits(images)
    assert max_relative_difference(found, expected) < 0.7
    assert agreement(found, expected) >= 0.8


@pytest.mark.parametrize(("precision", "least"), [("fp16", 2e-2), ("int8-weights", 0.3)])
def test_smaller_weights(convert, fp32, source, tiny_data, precision, least):
    artifact = convert(precision)
    images = np.asarray(tiny_data["validation"][0])
    assert max_relative_difference(answers(artifact, images), source.logits(images)) <= least
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    sizes = [(each.folder / MODEL / weights).stat().st_size for each in (artifact, fp32)]
    assert sizes[0] < (0.6 if precision == "fp16" else 0.4) * sizes[1]
    types = artifact.details["operators"]
    assert ("constexpr_affine_dequantize" in types) == (precision == "int8-weights")
    assert "quantize" not in types


def test_a_package_is_the_same_each_time_and_says_nothing_of_this_machine(convert, fp32, source):
    again = convert()
    assert again.files == fp32.files
    for name in fp32.files:
        data = (fp32.folder / name).read_bytes()
        assert (again.folder / name).read_bytes() == data
        for word in (str(source.checkpoint), "/tmp", "conversion_date", "site-packages"):
            assert word.encode() not in data
    manifest = json.loads((fp32.folder / MODEL / "Manifest.json").read_text())
    root = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
    assert root["path"] == "com.apple.CoreML/model.mlmodel"
    paths = [each["path"] for each in manifest["itemInfoEntries"].values()]
    assert all((fp32.folder / MODEL / "Data" / path).exists() for path in paths)


def test_the_converter_says_nothing(convert, capfd):
    convert()
    assert capfd.readouterr() == ("", "")


def test_a_net_trained_for_int8_keeps_its_integers(convert, int8_source, tiny_data):
    artifact = convert("int8", source=int8_source)
    images = np.asarray(tiny_data["test"][0])
    assert agreement(answers(artifact, images), int8_source.logits(images)) >= 0.95
    net = int8_source.quantized_module(TARGET.scheme(PHONE))
    trained = [each for name, each in net.named_buffers() if name.endswith("integers")]
    data = b"".join((artifact.folder / name).read_bytes() for name in artifact.files)
    assert len(trained) == 10
    assert all(each.numpy().tobytes() in data for each in trained)


def test_wrong_constants_are_found(fp32, source, monkeypatch):
    from edgecls.targets import coreml

    monkeypatch.setattr(
        source, "logits", lambda images: np.eye(10, dtype=np.float32)[: len(images)]
    )
    with pytest.raises(ConversionError, match="differ from the source's"):
        coreml._checked(source, Request("fp32", PHONE), fp32.folder / MODEL)


def test_another_image_than_the_source_takes_is_found(fp32, source):
    from edgecls.quantize.coreml import package

    how = replace(source.preprocess, size=(32, 48))
    with pytest.raises(ConversionError, match="'image', 32, 32"):
        package.check(fp32.folder / MODEL, how, 10)
    with pytest.raises(ConversionError, match="'logits'"):
        package.check(fp32.folder / MODEL, source.preprocess, 11)


def test_an_operator_that_the_check_does_not_know_is_said(fp32, source, monkeypatch):
    from edgecls.quantize.coreml import operators
    from edgecls.targets import coreml

    monkeypatch.delitem(operators.OPERATORS, "reduce_mean")
    found = coreml._checked(source, Request("fp32", PHONE), fp32.folder / MODEL)
    assert list(found) == ["not_emulated"]
    assert "reduce_mean" in found["not_emulated"]


def test_int8_without_calibration_and_batches_are_refused(convert):
    with pytest.raises(ConversionError, match="needs calibration images"):
        convert("int8", images=None)
    with pytest.raises(UsageError, match="one image at a time"):
        convert(batch=2)


def test_without_the_package_it_says_what_to_install(monkeypatch, source, tmp_path: Path):
    monkeypatch.setattr(hardware, "package_version", lambda name: "")
    assert TARGET.availability().convert.fix == 'pip install "edgecls[coreml]"'
    with pytest.raises(MissingDependency, match="coremltools is not installed"):
        TARGET.convert(source, Request("fp32", PHONE), tmp_path)


# What a Mac has: `predict` knows the golden images, and answers as the source did.
MAC = {
    "sitecustomize.py": """
import platform
platform.system = lambda: "Darwin"
platform.mac_ver = lambda: ("15.1", ("", "", ""), "arm64")
""",
    "coremltools/__init__.py": """
import os
import numpy as np
__version__ = "9.0"
class ComputeUnit:
    CPU_ONLY, ALL = "cpu", "all"
class models:
    class MLModel:
        def __init__(self, path, compute_units):
            assert os.path.isfile(os.path.join(path, "Manifest.json")), path
            assert compute_units == ComputeUnit.ALL
            folder = os.path.join(os.path.dirname(path), "golden")
            self.inputs = np.load(os.path.join(folder, "inputs.npy"))
            self.logits = np.load(os.path.join(folder, "source_logits.npy"))
        def predict(self, given):
            pixels = np.asarray(given["image"])[:, :, None]
            (index,) = [i for i, image in enumerate(self.inputs) if np.array_equal(image, pixels)]
            return {"logits": self.logits[index : index + 1]}
""",
}


def verified(bundle: Path, **environment: str):
    done = subprocess.run(
        [sys.executable, bundle / "infer.py", "--verify"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_kit_gives_a_mac_the_images_and_tells_others_where_to_go(package_bundle, tmp_path):
    bundle = package_bundle("coreml", "fp16")
    description = meta.read(str(bundle))
    assert description.model_files[0] == "model.mlpackage/Manifest.json"
    assert "Apple's systems" in description.details["not_run_by_the_exporter"]
    assert meta.check(str(bundle), description) == []
    if sys.platform == "darwin":
        assert verified(bundle)[0] == 0
        return
    status, answer, stderr = verified(bundle)
    assert (status, answer["ok"]) == (1, False)
    assert "copy the bundle to a Mac" in answer["fix"]
    assert "Traceback" not in stderr
    for name, text in MAC.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    status, answer, stderr = verified(bundle, PYTHONPATH=str(tmp_path))
    assert (status, answer["source_max_rel_logit_diff"]) == (0, 0.0), stderr
