"""What every activation of a float graph is on the calibration images: the ground of its range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecls.core import Images
from edgecls.graph import INPUT
from edgecls.quantize import running
from edgecls.quantize.ranges import Seen

if TYPE_CHECKING:
    import onnx

# Values of a tensor that are kept, over all images.
_SAMPLE = 1 << 18
_FEWEST = 64


def collect(model: onnx.ModelProto, calibration: Images) -> dict[str, Seen]:
    """Tensor -> what was seen of it; of all float activations. `model` has its shapes inferred."""
    names = activations(model)
    found = {name: Collector(len(calibration)) for name in names}
    for batch in running.tensors(model, names, calibration):
        for name, array in batch.items():
            found[name].add(array)
    return {name: collector.seen() for name, collector in found.items()}


def activations(model: onnx.ModelProto) -> list[str]:
    """The float tensors between the nodes, and the output."""
    from onnx import TensorProto

    kinds = {
        value.name: value.type.tensor_type.elem_type
        for value in (*model.graph.value_info, *model.graph.output)
    }
    made = [name for node in model.graph.node for name in node.output]
    return [name for name in made if kinds.get(name) == TensorProto.FLOAT and name != INPUT]


class Collector:
    """Extremes of every image, and values at even distances, which move from batch to batch."""

    def __init__(self, num_images: int) -> None:
        self._wanted = max(_FEWEST, _SAMPLE // num_images)
        self._lows: list[NDArray[np.float32]] = []
        self._highs: list[NDArray[np.float32]] = []
        self._kept: list[NDArray[np.float32]] = []

    def add(self, array: NDArray[Any]) -> None:
        # A tensor that does not depend on the image has no batch; it counts as one image.
        flat = array.reshape(len(array) if array.ndim > 1 else 1, -1)
        self._lows.append(flat.min(axis=1))
        self._highs.append(flat.max(axis=1))
        # Odd: an even step could hit the same channels of every pixel alone.
        step = max(1, flat.shape[1] // self._wanted) | 1
        offset = (len(self._kept) * 131) % step
        self._kept.append(flat[:, offset::step].astype(np.float32).ravel())

    def seen(self) -> Seen:
        lows, highs = np.concatenate(self._lows), np.concatenate(self._highs)
        return Seen(
            low=float(lows.min()),
            high=float(highs.max()),
            mean_low=float(lows.mean()),
            mean_high=float(highs.mean()),
            sample=np.concatenate(self._kept),
        )


def channel_maxima(
    model: onnx.ModelProto, names: Sequence[str], images: Images
) -> dict[str, NDArray[np.float32]]:
    """The largest absolute value of each channel of tensors that are [N, C, …]."""
    found: dict[str, NDArray[np.float32]] = {}
    for batch in running.tensors(model, names, images):
        for name, array in batch.items():
            top = np.abs(array).max(axis=(0, *range(2, array.ndim)))
            found[name] = np.maximum(found[name], top) if name in found else top
    return found
