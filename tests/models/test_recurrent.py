"""The row-recurrent net reads rows in order, and converts for the runtimes as the others do."""

from __future__ import annotations

import onnx
import pytest
import torch

from edgecls import targets
from edgecls.core import Request
from edgecls.graph import CheckpointSource
from edgecls.hardware import here
from edgecls.models import checkpoint, zoo


def test_rows_are_steps():
    net = zoo.build("rowgru", 4, 3, (6, 5)).eval()
    image = torch.rand(1, 3, 6, 5)
    states, _ = net.gru(image[0].permute(1, 0, 2).reshape(1, 6, 15))
    assert torch.allclose(net(image), net.head(states[:, -1]))
    assert not torch.allclose(net(image), net(image.flip(2)))


def test_its_graph_has_one_recurrent_node_and_takes_any_batch(save_net, tmp_path):
    source = CheckpointSource(save_net("rowgru"), tmp_path / "model.onnx")
    path = source.onnx()
    assert [node.op_type for node in onnx.load(path).graph.node].count("GRU") == 1


@pytest.mark.parametrize(
    ("target", "precision"),
    [("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("openvino", "fp32"), ("openvino", "int8")],
)
def test_it_converts_with_its_parity_checked(target, precision, save_net, tmp_path):
    folder = save_net("rowgru")
    source = CheckpointSource(folder, tmp_path / "model.onnx")
    (tmp_path / "out").mkdir()
    chosen = targets.get(target)
    int8 = precision == "int8"
    request = Request(
        precision,
        here(),
        chosen.scheme(here()) if int8 else None,
        checkpoint.load(folder).calibration() if int8 else None,
    )
    artifact = chosen.convert(source, request, tmp_path / "out")
    assert artifact.precision == precision and artifact.size_bytes > 0
