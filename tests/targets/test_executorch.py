"""ExecuTorch: right in both precisions, all of it in XNNPACK, and the same bytes every time."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from edgecls import hardware
from edgecls.core import Hardware, Remedies, Request
from edgecls.device.golden import agreement, max_relative_difference
from edgecls.device.meta import sha256
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.graph import CheckpointSource
from edgecls.targets.executorch import TARGET

if not hardware.package_version("executorch"):
    pytest.skip("pip install 'edgecls[executorch]' brings it", allow_module_level=True)

PHONE = Hardware("a phone", "aarch64", ("neon", "dotprod"))


@pytest.fixture(scope="module")
def source(tiny_checkpoint) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "executorch-graph.onnx")


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


def answers(artifact, images: np.ndarray, batch: int = 1) -> np.ndarray:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls its own Python interface experimental
        from executorch.runtime import Runtime

    program = Runtime.get().load_program(str(artifact.folder / artifact.files[0]))
    method = program.load_method("forward")
    assert method is not None
    parts = [torch.from_numpy(images[i : i + batch].copy()) for i in range(0, len(images), batch)]
    return np.concatenate([method.execute([part])[0].numpy() for part in parts])


def test_fp32_answers_as_pytorch_does(fp32, source, tiny_data):
    images = np.asarray(tiny_data["validation"][0])
    assert max_relative_difference(answers(fp32, images), source.logits(images)) <= 1e-3
    assert [path.name for path in fp32.folder.iterdir()] == ["model.pte"]
    assert fp32.versions["executorch"] and fp32.versions["torch"]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_xnnpack_computes_all_but_the_conversion_of_bytes(precision, request):
    details = request.getfixturevalue(precision).details
    assert details["portable_operators"] == {"_to_dim_order_copy": 1}
    assert details["delegates"] == 1
    assert details["delegated_operators"]["convolution"] == 9
    assert details["delegated_share"] > 0.95


def test_int8_answers_much_like_pytorch(int8, source, tiny_data):
    images = np.asarray(tiny_data["train"][0])
    found, expected = answers(int8, images), source.logits(images)
    assert max_relative_difference(found, expected) < 0.7
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.8
    assert int8.scheme == TARGET.scheme(PHONE)


def test_int8_weights_are_stored_as_bytes(int8, fp32):
    assert int8.details["delegated_operators"]["dequantize_per_channel"] == 10
    assert int8.size_bytes < 0.4 * fp32.size_bytes


def test_conversions_are_the_same_bytes(convert, int8):
    again = convert("int8").folder / "model.pte"
    assert sha256(str(again)) == sha256(str(int8.folder / "model.pte"))


def test_it_says_nothing_of_the_machine_that_made_it(fp32, int8, source):
    for artifact in (fp32, int8):
        data = (artifact.folder / "model.pte").read_bytes()
        for word in (str(source.checkpoint), "/tmp", "site-packages"):
            assert word.encode() not in data


def test_a_batch_is_fixed_and_the_process_left_as_it_was(convert, source, tiny_data, capfd):
    def state():
        root = logging.getLogger()
        return dict(os.environ), list(warnings.filters), root.level, list(root.handlers)

    before = state()
    artifact = convert(batch=2)
    assert state() == before
    assert capfd.readouterr() == ("", "")
    images = np.asarray(tiny_data["validation"][0])[:4]
    found = answers(artifact, images, batch=2)
    assert max_relative_difference(found, source.logits(images)) <= 1e-3


def test_a_net_trained_for_int8_is_carried_over(convert, int8_source, tiny_data):
    artifact = convert("int8", source=int8_source)
    images = np.asarray(tiny_data["test"][0])
    assert agreement(answers(artifact, images), int8_source.logits(images)) >= 0.95
    assert artifact.details["portable_operators"] == {"_to_dim_order_copy": 1}
    data = (artifact.folder / "model.pte").read_bytes()
    net = int8_source.quantized_module(TARGET.scheme(PHONE))
    last = next(
        each for name, each in net.named_buffers() if name.endswith("head.weights.integers")
    )
    assert last.numpy().tobytes() in data


def test_a_convolution_that_xnnpack_does_not_take_is_an_error(source, tmp_path):
    import torch
    from torch import nn

    class Odd:
        """Its second convolution has weights that are computed."""

        preprocess = source.preprocess

        def module(self):
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.made = nn.Linear(1, 9)

                def forward(self, image):
                    maps = image.float().permute(0, 3, 1, 2)
                    weight = self.made(maps.mean((2, 3))).view(1, 1, 3, 3)
                    return torch.conv2d(maps, weight).flatten(1)[:, :10]

            return Net().eval()

    with pytest.raises(ConversionError, match="does not take 1 of this net's convolutions"):
        TARGET.convert(Odd(), Request("fp32", PHONE), tmp_path)


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
        assert step.fix == 'pip install "edgecls[executorch]"'
    with pytest.raises(MissingDependency, match="executorch is not installed"):
        TARGET.convert(source, Request("fp32", PHONE), tmp_path)
