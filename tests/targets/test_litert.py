"""LiteRT: right in every precision, integers inside in int8, and no change of layout inside."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecls import hardware
from edgecls.core import Hardware, Remedies, Request
from edgecls.device.golden import agreement, max_relative_difference
from edgecls.device.meta import sha256
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.graph import CheckpointSource
from edgecls.quantize.tflite import model
from edgecls.targets.litert import TARGET

if not hardware.package_version("litert-torch"):
    pytest.skip("pip install 'edgecls[litert]' brings the converter", allow_module_level=True)

PHONE = Hardware("a phone", "aarch64", ("neon", "dotprod"))


@pytest.fixture(scope="module")
def source(tiny_checkpoint) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "litert-graph.onnx")


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


def interpreter(artifact):
    from ai_edge_litert.interpreter import Interpreter

    opened = Interpreter(str(artifact.folder / artifact.files[0]), num_threads=1)
    opened.allocate_tensors()
    return opened


def answers(artifact, images: np.ndarray) -> np.ndarray:
    opened = interpreter(artifact)
    given, answer = opened.get_input_details()[0], opened.get_output_details()[0]
    step, found = given["shape"][0], []
    for start in range(0, len(images), step):
        opened.set_tensor(given["index"], images[start : start + step])
        opened.invoke()
        found.append(opened.get_tensor(answer["index"]).copy())
    return np.concatenate(found)


def test_fp32_answers_as_pytorch_does(fp32, source, tiny_data):
    images = np.asarray(tiny_data["validation"][0])
    assert max_relative_difference(answers(fp32, images), source.logits(images)) <= 1e-3
    assert [path.name for path in fp32.folder.iterdir()] == ["model.tflite"]
    assert fp32.versions["litert-torch"] and fp32.versions["ai-edge-litert"]


def test_the_image_goes_in_as_it_is_and_floats_come_out(fp32, int8):
    for artifact in (fp32, int8):
        opened = interpreter(artifact)
        (given,), (answer,) = opened.get_input_details(), opened.get_output_details()
        assert (given["shape"].tolist(), given["dtype"]) == ([1, 32, 32, 1], np.uint8)
        assert (answer["shape"].tolist(), answer["dtype"]) == ([1, 10], np.float32)


def test_no_change_of_layout_stands_anywhere(fp32, int8):
    for artifact in (fp32, int8):
        operators = artifact.details["operators"]
        assert "TRANSPOSE" not in operators
        assert operators["CONV_2D"] == 9 - operators.get("DEPTHWISE_CONV_2D", 0)


def test_int8_answers_much_like_pytorch(int8, source, tiny_data):
    images = np.asarray(tiny_data["train"][0])
    found, expected = answers(int8, images), source.logits(images)
    assert max_relative_difference(found, expected) < 0.7
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.8
    assert int8.scheme == TARGET.scheme(PHONE)


def test_int8_computes_in_integers(int8):
    opened = interpreter(int8)
    kinds = {index["index"]: index["dtype"] for index in opened.get_tensor_details()}
    layers = 0
    for each in opened._get_ops_details():
        if each["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            layers += 1
            inputs = [kinds[index] for index in each["inputs"]]
            assert inputs == [np.int8, np.int8, np.int32]
            assert [kinds[index] for index in each["outputs"]] == [np.int8]
        if each["op_name"] in ("ADD", "MEAN"):
            assert kinds[each["inputs"][0]] == kinds[each["outputs"][0]] == np.int8
    assert layers == 10


def test_int8_of_a_small_net_is_below_100_kb(int8):
    assert int8.size_bytes < 100_000


@pytest.mark.parametrize(("precision", "least"), [("fp16", 2e-2), ("int8-dynamic", 0.3)])
def test_precisions_of_weights_alone(convert, source, tiny_data, fp32, precision, least):
    """The batch is fixed, at one or more."""
    artifact = convert(precision, batch=2)
    assert interpreter(artifact).get_input_details()[0]["shape"][0] == 2
    images = np.asarray(tiny_data["validation"][0])[:20]
    assert max_relative_difference(answers(artifact, images), source.logits(images)) <= least
    assert artifact.size_bytes < (0.6 if precision == "fp16" else 0.4) * fp32.size_bytes
    if precision == "fp16":
        assert "float32 on a CPU" in artifact.details["computed_in"]


def test_another_process_converts_to_the_same_bytes(convert, int8):
    assert sha256(str(convert("int8").folder / "model.tflite")) == sha256(
        str(int8.folder / "model.tflite")
    )


def test_it_says_nothing_of_the_machine_that_made_it(fp32, source):
    data = (fp32.folder / "model.tflite").read_bytes()
    for word in (str(source.checkpoint), "/tmp", "edgecls", "site-packages"):
        assert word.encode() not in data


def test_the_converter_stays_out_of_this_process(fp32, int8, capfd):
    assert not {"litert_torch", "jax", "ai_edge_quantizer"} & set(sys.modules)
    assert capfd.readouterr() == ("", "")


def test_a_net_trained_for_int8_keeps_its_integers(convert, int8_source, tiny_data):
    artifact = convert("int8", source=int8_source)
    images = np.asarray(tiny_data["test"][0])
    assert agreement(answers(artifact, images), int8_source.logits(images)) >= 0.95
    net = int8_source.quantized_module(TARGET.scheme(PHONE))
    trained = {each.tobytes() for name, each in _arrays(net) if name.endswith("integers")}
    kept = {_channels_first(each).tobytes() for each in _int8_constants(artifact)}
    assert len(trained & kept) == len(trained) == 10


def _arrays(net):
    return ((name, buffer.numpy()) for name, buffer in net.named_buffers())


def _int8_constants(artifact):
    from edgecls.quantize.tflite import model

    read = model._read((artifact.folder / "model.tflite").read_bytes())
    for tensor in read.subgraphs[0].tensors:
        data = read.buffers[tensor.buffer].data
        if tensor.type == model._schema().TensorType.INT8 and data is not None and len(data):
            yield np.asarray(data).view(np.int8).reshape(tensor.shape)


def _channels_first(weight: np.ndarray) -> np.ndarray:
    """OHWI, or 1HWO of a depthwise convolution, to PyTorch's OIHW."""
    if weight.ndim != 4:
        return weight
    if weight.shape[0] == 1 and weight.shape[3] > 1:
        return np.ascontiguousarray(weight.transpose(3, 0, 1, 2))
    return np.ascontiguousarray(weight.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("images", [None, 0])
def test_int8_without_calibration_is_refused(convert, images):
    with pytest.raises(ConversionError, match="needs calibration images") as caught:
        convert("int8", images=images)
    assert caught.value.fix


def test_remedies_that_it_has_not_are_refused(convert):
    with pytest.raises(ConversionError, match="SmoothQuant") as caught:
        convert("int8", remedies=Remedies(smooth_quant=0.5))
    assert "equalisation" in caught.value.fix
    with pytest.raises(UsageError, match="unknown layer: 'stem'") as caught:
        convert("int8", remedies=Remedies(float_layers=("stem",)))
    assert "stem.0" in caught.value.fix


def test_without_the_package_it_says_what_to_install(monkeypatch, source, tmp_path: Path):
    assert TARGET.availability().run.status == "ok"
    monkeypatch.setattr(hardware, "package_version", lambda name: "")
    for step in vars(TARGET.availability()).values():
        assert step.status == "skipped"
        assert step.fix == 'pip install "edgecls[litert]"'
    with pytest.raises(MissingDependency, match="litert-torch is not installed"):
        TARGET.convert(source, Request("fp32", PHONE), tmp_path)


def test_weights_that_stand_behind_the_flatbuffer_are_taken_in(fp32, tiny_data, tmp_path):
    """The quantizer puts them there from 256 kB on."""
    data = (fp32.folder / fp32.files[0]).read_bytes()
    outside = behind(data)
    assert len(outside) > len(data)
    model.op_names(outside)
    (tmp_path / "model.tflite").write_bytes(model.finished(outside))
    images = np.asarray(tiny_data["test"][0])
    again = replace(fp32, folder=tmp_path, files=("model.tflite",))
    assert np.array_equal(answers(again, images), answers(fp32, images))


def behind(data: bytes) -> bytes:
    """The flatbuffer with all its weights behind it, as `ModelModifier` of the quantizer writes."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    objects = schema.ModelT.InitFromPackedBuf(data, 0)
    kept = {
        index: bytes(each.data)
        for index, each in enumerate(objects.buffers)
        if each.data is not None and len(each.data)
    }
    for index in kept:
        objects.buffers[index].data = None
        objects.buffers[index].offset = objects.buffers[index].size = 1
    packed = flatbuffer_utils.convert_object_to_bytearray(objects)
    root = schema.Model.GetRootAs(packed)
    for index, weights in kept.items():
        packed += b"\0" * (-len(packed) % 16)
        place = {"offset": len(packed), "size": len(weights)}
        flatbuffer_utils.update_packed_buffer(root.Buffers(index), **place)
        packed += weights
    return bytes(packed)
