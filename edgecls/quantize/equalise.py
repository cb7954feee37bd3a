"""Cross-layer equalisation (Nagel et al. 2019, section 4.1), on a canonical graph in float.

The channels between two convolutions are scaled so that neither the first one's outputs nor the
second one's inputs have one channel that takes the whole range. ReLU lets a positive factor pass,
so the net answers as before; that is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecls.core import Images, Logits
from edgecls.device.golden import max_relative_difference
from edgecls.errors import ConversionError
from edgecls.graph import FP32_TOLERANCE
from edgecls.quantize import running
from edgecls.quantize.statistics import channel_maxima

if TYPE_CHECKING:
    import onnx

_ROUNDS, _STILL = 20, 1e-3
_MOST = 1e4  # a factor beyond it would trade one broken channel for another
# Of the limit of ReLU6, which values must not come near after the scaling, nor have come before.
_MARGIN = 1.25
CHECKED = 32  # images


@dataclass(frozen=True)
class Pair:
    """Two convolutions with nothing between but an activation; limit: of ReLU6, None of ReLU."""

    first: str
    second: str
    between: str
    limit: float | None


def equalise(model: onnx.ModelProto, calibration: Images) -> int:
    """Scale the pairs of `model` in place, which answers as before; returns how many there are.

    calibration: images that show which channels reach the limit of a ReLU6: those stay as they are.
    Raises ConversionError where the answers on them change nevertheless.
    """
    images = calibration[:CHECKED]
    before = running.logits(model, images)
    found = pairs(model)
    weights = _Weights(model)
    limited = [pair.between for pair in found if pair.limit is not None]
    tops = channel_maxima(model, limited, calibration) if limited else {}
    balance(found, weights, tops)
    weights.store()
    check(running.logits(model, images), before)
    return len(found)


class Weights(Protocol):
    """The weights of a graph's convolutions, by name, while they are scaled."""

    def outputs(self, node: str) -> NDArray[np.float64]:
        """The largest weight of each output channel."""
        ...

    def inputs(self, node: str) -> NDArray[np.float64]:
        """The largest weight of each input channel."""
        ...

    def scale(self, pair: Pair, factors: NDArray[np.float64]) -> None:
        """Divide the first one's outputs by the factors, multiply the second one's inputs."""
        ...


def balance(pairs: Sequence[Pair], weights: Weights, tops: dict[str, NDArray[np.float32]]) -> None:
    """Scale the pairs until nothing moves any more. tops: channel maxima before a ReLU6."""
    for _ in range(_ROUNDS):
        moved = 0.0
        for pair in pairs:
            factors = _factors(pair, weights, tops)
            weights.scale(pair, factors)
            if pair.between in tops:
                tops[pair.between] = (tops[pair.between] / factors).astype(np.float32)
            moved = max(moved, float(np.abs(np.log(factors)).max(initial=0.0)))
        if moved < _STILL:
            break


def check(found: Logits, before: Logits) -> None:
    """Raises ConversionError where a net answers otherwise than before it was equalised."""
    difference = max_relative_difference(found, before)
    if not difference <= FP32_TOLERANCE:
        raise ConversionError(
            f"after equalisation the net's answers differ by {difference:.2g} of their spread",
            "quantize without it (--no-equalise), and report this net",
        )


def pairs(model: onnx.ModelProto) -> list[Pair]:
    """In the graph's order: conv → (ReLU or ReLU6) → conv, each read by the next alone."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in model.graph.output}
    found = []
    for node in model.graph.node:
        if not _scalable(node, constants, readers):
            continue
        tensor, limit, after = node.output[0], None, readers.get(node.output[0], [])
        if len(after) == 1 and after[0].op_type in ("Relu", "Clip"):
            if after[0].op_type == "Clip":
                limit = _limit(after[0], constants)
                if limit is None:
                    continue
            tensor, after = after[0].output[0], readers.get(after[0].output[0], [])
        one = len(after) == 1 and tensor not in outputs and node.output[0] not in outputs
        if (
            one
            and _scalable(after[0], constants, readers)
            and _dense_or_depthwise(after[0], constants)
        ):
            found.append(Pair(node.name, after[0].name, node.output[0], limit))
    return found


def _scalable(node: onnx.NodeProto, constants: Any, readers: Any) -> bool:
    """A convolution whose weights and bias are constants of its own."""
    if node.op_type != "Conv":
        return False
    own = [name for name in node.input[1:] if name]
    return all(name in constants and len(readers[name]) == 1 for name in own)


def _limit(clip: onnx.NodeProto, constants: Any) -> float | None:
    """The upper limit of a Clip from zero on; None where it is another one."""
    from onnx import numpy_helper

    bounds = [
        float(numpy_helper.to_array(constants[name])) if name in constants else None
        for name in clip.input[1:3]
    ]
    return bounds[1] if len(bounds) == 2 and bounds[0] == 0.0 else None


def _groups(node: onnx.NodeProto) -> int:
    return next((int(each.i) for each in node.attribute if each.name == "group"), 1)


def _dense_or_depthwise(node: onnx.NodeProto, constants: Any) -> bool:
    inner = constants[node.input[1]].dims[1]
    return _groups(node) == 1 or inner == 1


class _Weights:
    """The weights and biases of the convolutions, in float64 while they are scaled."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._nodes = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._arrays: dict[str, NDArray[np.float64]] = {}

    def _get(self, name: str) -> NDArray[np.float64]:
        from onnx import numpy_helper

        if name not in self._arrays:
            array = numpy_helper.to_array(self._constants[name])
            self._arrays[name] = array.astype(np.float64)
        return self._arrays[name]

    def outputs(self, node: str) -> NDArray[np.float64]:
        """The largest weight of each output channel."""
        weight = self._get(self._nodes[node].input[1])
        top: NDArray[np.float64] = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        return top

    def inputs(self, node: str) -> NDArray[np.float64]:
        """The largest weight of each input channel."""
        weight = self._get(self._nodes[node].input[1])
        groups = _groups(self._nodes[node])
        if groups > 1:  # depthwise: every input channel has outputs of its own
            own: NDArray[np.float64] = self.outputs(node).reshape(groups, -1).max(axis=1)
            return own
        top: NDArray[np.float64] = np.abs(weight).max(axis=(0, *range(2, weight.ndim)))
        return top

    def scale(self, pair: Pair, factors: NDArray[np.float64]) -> None:
        """Divide the first one's outputs by the factors, multiply the second one's inputs."""
        first, second = self._nodes[pair.first], self._nodes[pair.second]
        weight = self._get(first.input[1])
        weight /= factors.reshape(-1, *[1] * (weight.ndim - 1))
        if len(first.input) > 2 and first.input[2]:
            self._get(first.input[2])[:] /= factors
        weight = self._get(second.input[1])
        if _groups(second) > 1:
            each = np.repeat(factors, len(weight) // len(factors))
            weight *= each.reshape(-1, *[1] * (weight.ndim - 1))
        else:
            weight *= factors.reshape(1, -1, *[1] * (weight.ndim - 2))

    def store(self) -> None:
        from onnx import numpy_helper

        for name, array in self._arrays.items():
            tensor = numpy_helper.from_array(array.astype(np.float32), name)
            self._constants[name].CopyFrom(tensor)


def _factors(pair: Pair, weights: Weights, tops: Any) -> NDArray[np.float64]:
    """What the first one's outputs are divided by: √(r1·r2) / r2 in the paper's words."""
    first, second = weights.outputs(pair.first), weights.inputs(pair.second)
    dead = (first <= 0) | (second <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where(dead, 1.0, np.sqrt(first / np.where(dead, 1.0, second)))
    factors = np.clip(factors, 1 / _MOST, _MOST)
    if pair.limit is None:
        return factors
    top = np.asarray(tops[pair.between], np.float64) * _MARGIN
    # Below the limit before and after: there ReLU6 is a ReLU.
    free = top < pair.limit
    kept: NDArray[np.float64] = np.where(free, np.maximum(factors, top / pair.limit), 1.0)
    return kept
