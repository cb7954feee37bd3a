"""ncnn: right in every precision, int8 inside where it says so, and nothing left behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgecls import hardware
from edgecls.core import Hardware, Remedies, Request
from edgecls.device.golden import agreement, max_relative_difference
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.graph import CheckpointSource
from edgecls.targets.ncnn import TARGET

if not (hardware.package_version("pnnx") and hardware.package_version("ncnn")):
    pytest.skip("pip install 'edgecls[ncnn]' brings the converter", allow_module_level=True)

PHONE = Hardware("a phone", "aarch64", ("neon", "dotprod"))


@pytest.fixture(scope="module")
def source(tiny_checkpoint) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "ncnn-graph.onnx")


@pytest.fixture(scope="module")
def convert(source, tiny_data, tmp_path_factory):
    def make(precision="fp32", batch=1, images=16, source=source, remedies=None):
        scheme = TARGET.scheme(PHONE) if precision == "int8" else None
        calibration = None
        if scheme and images is not None:
            calibration = np.asarray(tiny_data["calibration"][0])[:images]
        request = Request(precision, PHONE, scheme, calibration, batch, remedies)
        return TARGET.convert(source, request, tmp_path_factory.mktemp(precision))

    return make


@pytest.fixture(scope="module")
def fp32(convert):
    return convert()


@pytest.fixture(scope="module")
def int8(convert):
    return convert("int8")


def answers(artifact, images: np.ndarray, preprocess) -> np.ndarray:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
    param, weights = (str(artifact.folder / name) for name in artifact.files)
    assert (net.load_param(param), net.load_model(weights)) == (0, 0)
    mean = [255 * value for value in preprocess.mean]
    norm = [1 / (255 * value) for value in preprocess.std]
    height, width = preprocess.size
    found = []
    for image in images:
        mat = ncnn.Mat.from_pixels(image, ncnn.Mat.PixelType.PIXEL_GRAY, width, height)
        mat.substract_mean_normalize(mean, norm)
        with net.create_extractor() as extractor:
            extractor.input("in0", mat)
            found.append(np.array(extractor.extract("out0")[1]).ravel())
    return np.stack(found)


def test_fp32_answers_as_pytorch_does(fp32, source, tiny_data):
    images = np.asarray(tiny_data["validation"][0])
    found = answers(fp32, images, source.preprocess)
    assert max_relative_difference(found, source.logits(images)) <= 1e-3
    assert sorted(path.name for path in fp32.folder.iterdir()) == [
        "model.ncnn.bin",
        "model.ncnn.param",
    ]
    assert fp32.versions["pnnx"]
    assert fp32.versions["ncnn"]


def test_fp16_stores_half(convert, fp32, source, tiny_data):
    artifact = convert("fp16")
    images = np.asarray(tiny_data["validation"][0])
    found = answers(artifact, images, source.preprocess)
    assert max_relative_difference(found, source.logits(images)) <= 2e-2
    assert artifact.size_bytes < 0.6 * fp32.size_bytes
    assert "float16" in artifact.details["computed_in"]


def test_int8_answers_much_like_pytorch(int8, source, tiny_data):
    images = np.asarray(tiny_data["train"][0])
    found, expected = answers(int8, images, source.preprocess), source.logits(images)
    assert max_relative_difference(found, expected) < 0.7
    assert agreement(found, expected) >= 0.8
    assert int8.scheme == TARGET.scheme(PHONE)


def test_int8_has_every_layer_with_weights_in_int8(int8, fp32):
    assert int8.details["operators"]["Convolution (int8)"] == 9
    assert int8.details["operators"]["InnerProduct (int8)"] == 1
    assert "Convolution" not in int8.details["operators"]
    assert int8.size_bytes < 0.35 * fp32.size_bytes


def test_the_first_of_two_convolutions_gives_int8(int8):
    text = (int8.folder / "model.ncnn.param").read_text()
    assert text.count(" 8=102") == 3


def test_a_layer_that_is_to_stay_in_float_does(convert, source):
    artifact = convert("int8", remedies=Remedies(float_layers=("stem.0",)))
    assert artifact.details["operators"]["Convolution"] == 1
    assert artifact.details["operators"]["Convolution (int8)"] == 8


def test_the_same_net_gives_the_same_bytes(convert, int8):
    again = convert("int8")
    for name in int8.files:
        assert (again.folder / name).read_bytes() == (int8.folder / name).read_bytes()


def test_a_net_trained_for_int8_keeps_its_integers(convert, int8_source, tiny_data):
    artifact = convert("int8", source=int8_source)
    images = np.asarray(tiny_data["test"][0])
    found = answers(artifact, images, int8_source.preprocess)
    assert agreement(found, int8_source.logits(images)) >= 0.95
    weights = (artifact.folder / "model.ncnn.bin").read_bytes()
    net = int8_source.quantized_module(TARGET.scheme(PHONE))
    trained = [each for name, each in net.named_buffers() if name.endswith("integers")]
    assert len(trained) == 10
    assert all(each.numpy().tobytes() in weights for each in trained)


@pytest.mark.parametrize("images", [None, 0])
def test_int8_without_calibration_is_refused(convert, images):
    with pytest.raises(ConversionError, match="needs calibration images") as caught:
        convert("int8", images=images)
    assert caught.value.fix


def test_more_images_at_once_are_refused(convert):
    with pytest.raises(UsageError, match="one image at a time"):
        convert(batch=2)


@pytest.mark.parametrize("how", ["it fails", "it hangs", "it writes nothing"])
def test_a_converter_that_does_not_convert_is_told(convert, monkeypatch, how):
    def run(command, **options):
        if how == "it hangs":
            raise subprocess.TimeoutExpired(command, options["timeout"])
        status = 3 if how == "it fails" else 0
        return subprocess.CompletedProcess(command, status, b"", b"first\nthe reason\n")

    monkeypatch.setattr(subprocess, "run", run)
    wanted = {
        "it fails": "exit status 3: the reason",
        "it hangs": "took more than 900 s",
        "it writes nothing": "without a model",
    }
    with pytest.raises(ConversionError, match=wanted[how]):
        convert()


def test_without_the_package_it_says_what_to_install(monkeypatch, source, tmp_path: Path):
    assert TARGET.availability().run.status == "ok"
    monkeypatch.setattr(hardware, "package_version", lambda name: "")
    for step in vars(TARGET.availability()).values():
        assert step.status == "skipped"
        assert step.fix == 'pip install "edgecls[ncnn]"'
    with pytest.raises(MissingDependency, match="pnnx is not installed"):
        TARGET.convert(source, Request("fp32", PHONE), tmp_path)
