"""The canonical graph: what runtimes in the field take, the same bytes every time, and right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from edgecls import graph
from edgecls.device.golden import max_relative_difference
from edgecls.device.preprocess import Preprocess
from edgecls.errors import ConversionError
from edgecls.models import zoo
from edgecls.models.normalise import Deployable

NETS = [
    ("lenet5", 1, (24, 20)),
    ("resnet8", 3, (32, 32)),
    ("squeezenet1_1", 3, (64, 64)),
    ("mobilenet_v3_small", 1, (64, 64)),
    ("resnet18", 1, (64, 64)),
    ("shufflenet_v2_x0_5", 3, (64, 64)),
    ("googlenet", 3, (64, 64)),
]


def noise(count: int, size: tuple[int, int], channels: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (count, *size, channels), np.uint8)


@pytest.fixture(scope="module")
def canonical(tiny_checkpoint, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    return graph.CheckpointSource(tiny_checkpoint, path).onnx()


@pytest.fixture
def source(tiny_checkpoint, tmp_path) -> graph.CheckpointSource:
    return graph.CheckpointSource(tiny_checkpoint, tmp_path / "model.onnx")


@pytest.mark.parametrize(("arch", "channels", "size"), NETS)
def test_every_kind_of_net_is_exported_rightly(arch, channels, size, tmp_path):
    torch.manual_seed(0)
    preprocess = Preprocess(
        size,
        mode="L" if channels == 1 else "RGB",
        mean=(0.4, 0.5, 0.6)[:channels],
        std=(0.2, 0.25, 0.3)[:channels],
    )
    net = Deployable(zoo.build(arch, 4, channels, size).eval(), preprocess).eval()
    graph.export(net, preprocess, tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    images = noise(3, size, channels)
    with torch.inference_mode():
        expected = net(torch.from_numpy(images)).numpy()
    for count in (1, 3):
        found = graph.run(tmp_path / "model.onnx", images[:count])
        assert max_relative_difference(found, expected[:count]) <= graph.FP32_TOLERANCE
    nodes = {node.name: node.op_type for node in model.graph.node}
    kinds = [nodes[name] for name in graph.normalisation_nodes(model)]
    assert kinds == ["Cast", "Transpose", "Sub", "Mul"]
    assert not [p for p in tmp_path.iterdir() if p.name != "model.onnx"]  # one file


def test_it_is_what_runtimes_in_the_field_take(canonical):
    model = onnx.load(canonical)
    assert model.ir_version == 9
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert not model.functions
    (image,), (logits,) = model.graph.input, model.graph.output
    found = [
        (
            value.name,
            value.type.tensor_type.elem_type,
            [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
        )
        for value in (image, logits)
    ]
    assert found == [
        ("image", TensorProto.UINT8, ["batch", 32, 32, 1]),
        ("logits", TensorProto.FLOAT, ["batch", 10]),
    ]


def test_it_says_nothing_of_the_machine_that_made_it(canonical, tiny_checkpoint):
    model = onnx.load(canonical)
    assert not model.metadata_props and not model.doc_string and not model.graph.doc_string
    assert (model.producer_name, model.producer_version) == ("edgecls", "")
    parts = (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output)
    assert not any(part.metadata_props or part.doc_string for part in parts)
    data = canonical.read_bytes()
    for trace in (b"File ", b".py", b"site-packages", str(tiny_checkpoint).encode(), b"pkg."):
        assert trace not in data


def test_it_is_the_same_bytes_every_time(canonical, source, tiny_checkpoint, tmp_path):
    assert source.onnx().read_bytes() == canonical.read_bytes()
    script = """
import pathlib, sys
from edgecls.graph import CheckpointSource
CheckpointSource(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])).onnx()
"""
    other = tmp_path / "elsewhere.onnx"
    command = [sys.executable, "-c", script, str(tiny_checkpoint), str(other)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert other.read_bytes() == canonical.read_bytes()


@pytest.mark.parametrize("count", [1, 5, 70])
def test_any_number_of_images_gets_pytorchs_answers(canonical, source, tiny_data, count):
    images = np.asarray(tiny_data["train"][0])[:count]
    found = graph.run(canonical, images)
    assert found.shape == (len(images), 10) and found.dtype == np.float32
    assert max_relative_difference(found, source.logits(images)) <= graph.FP32_TOLERANCE


def test_it_is_exported_once(canonical, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr(graph, "export", None)
    assert graph.CheckpointSource(tiny_checkpoint, canonical).onnx() == canonical


def test_a_fixed_batch_is_looped_over(canonical, source, tiny_data, tmp_path):
    model = onnx.load(canonical)
    graph.with_batch(model, 2)
    shapes = [v.type.tensor_type.shape.dim[0] for v in (*model.graph.input, *model.graph.output)]
    assert [(dim.dim_value, dim.dim_param) for dim in shapes] == [(2, ""), (2, "")]
    onnx.save(model, tmp_path / "two.onnx")
    images = np.asarray(tiny_data["train"][0])[:6]
    expected = source.logits(images)
    found = graph.run(tmp_path / "two.onnx", images)
    assert max_relative_difference(found, expected) <= graph.FP32_TOLERANCE


def spoiled(canonical: Path, how: str):
    """An export with something wrong in what it writes."""

    def wrong(net, preprocess, path):
        model = onnx.load(canonical)
        if how == "truncated":
            path.write_bytes(canonical.read_bytes()[:-1000])
            return
        (node,) = [n for n in model.graph.node if n.op_type == "Sub"]
        for tensor in model.graph.initializer:
            if tensor.name == node.input[1]:
                value = numpy_helper.to_array(tensor)
                value = value * np.nan if how == "nan" else value + 40
                tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float32), tensor.name))
        onnx.save(model, path)

    return wrong


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("offset", "differ from PyTorch's by"),
        ("nan", "differ from PyTorch's by inf"),
        ("truncated", "ONNX Runtime cannot run this graph"),
    ],
)
def test_a_wrong_export_does_not_pass(source, canonical, monkeypatch, tmp_path, how, cause):
    monkeypatch.setattr(graph, "export", spoiled(canonical, how))
    with pytest.raises(ConversionError, match=cause) as caught:
        source.onnx()
    assert caught.value.fix
    assert not list(tmp_path.iterdir())  # nothing that the next one would take for good


def test_a_net_that_cannot_be_exported_says_so(tmp_path):
    class Stubborn(torch.nn.Module):
        def forward(self, image):
            return image.float().mean((1, 2)) * float(image.sum().item() > 0)

    with pytest.raises(ConversionError, match="cannot export this net") as caught:
        graph.export(Stubborn(), Preprocess((8, 8)), tmp_path / "model.onnx")
    assert caught.value.fix
    assert not list(tmp_path.iterdir())
