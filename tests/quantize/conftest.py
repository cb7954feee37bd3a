"""A net that is broken on purpose: it answers as before in float, and int8 cannot hold it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgecls.core import Scheme
from edgecls.graph import CheckpointSource
from edgecls.quantize import running
from edgecls.quantize.equalise import pairs

FACTOR = 1000.0
UNSIGNED = Scheme("uint8", symmetric_activations=False)
SIGNED = Scheme("int8", symmetric_activations=True)


def constant(model: onnx.ModelProto, name: str) -> np.ndarray:
    found = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    return numpy_helper.to_array(found).copy()


def replace(model: onnx.ModelProto, name: str, array: np.ndarray) -> None:
    found = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    found.CopyFrom(numpy_helper.from_array(array, name))


def plant(model: onnx.ModelProto, index: int, channel: int, factor: float = FACTOR) -> None:
    """Make a channel between two convolutions so many times larger, in place."""
    pair = pairs(model)[index]
    nodes = {node.name: node for node in model.graph.node}
    first, second = nodes[pair.first], nodes[pair.second]
    for name in first.input[1:]:
        array = constant(model, name)
        array[channel] *= factor
        replace(model, name, array)
    array = constant(model, second.input[1])
    array[:, channel] /= factor
    replace(model, second.input[1], array)


@pytest.fixture(scope="session")
def source(tiny_checkpoint) -> CheckpointSource:
    return CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "graph.onnx")


@pytest.fixture(scope="session")
def calibration(tiny_data) -> np.ndarray:
    return np.asarray(tiny_data["calibration"][0])


@pytest.fixture(scope="session")
def broken(source, calibration, tmp_path_factory) -> Path:
    """A resnet8 whose second block has one channel that takes the whole range.

    After one epoch it calls nearly all images the same; without its mean answer it tells them
    apart, so that a loss shows.
    """
    model = onnx.load(source.onnx())
    bias = constant(model, "net.head.bias")
    replace(model, "net.head.bias", bias - running.logits(model, calibration).mean(axis=0))
    plant(model, 1, channel=1)
    path = tmp_path_factory.mktemp("broken") / "model.onnx"
    onnx.save(model, path)
    return path


Spread = Callable[[np.ndarray, np.ndarray], float]


@pytest.fixture(scope="session")
def error() -> Spread:
    """How far logits are off, in standard deviations: the root of the mean square."""

    def measure(found: np.ndarray, expected: np.ndarray) -> float:
        return float(np.sqrt(((found - expected) ** 2).mean()) / expected.std())

    return measure
