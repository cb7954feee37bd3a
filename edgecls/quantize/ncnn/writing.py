"""int8 layers written into ncnn's two files, in the format of its own ncnn2int8.

A layer of the ``.param`` says by value 8 that it is int8; 100 more says that its output is int8,
too. In the ``.bin`` stand its weights behind a mark, its bias, a scale for each output channel,
one for its input and perhaps one for its output. A scale is one over a step. ncnn clips at ±127.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgecls.errors import ConversionError
from edgecls.quantize.ncnn import param
from edgecls.quantize.ncnn.converting import Net
from edgecls.quantize.ncnn.integers import Integers
from edgecls.quantize.ncnn.param import Layer

CONVOLUTION, DEPTHWISE, PRODUCT = "Convolution", "ConvolutionDepthWise", "InnerProduct"
# Value 8 of each kind; of a depthwise convolution 1 is a scale for each channel, 2 one for all.
TERMS = {CONVOLUTION: 2, DEPTHWISE: 1, PRODUCT: 2}
TO_INT8 = 100
FLOAT_MARK, INT8_MARK = bytes(4), (0x000D4B38).to_bytes(4, "little")
FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class _Place:
    """Where a layer's weights begin in the ``.bin``, behind their mark."""

    layer: Layer
    integers: Integers
    start: int


def quantized(net: Net, layers: Sequence[Integers]) -> Net:
    """`net` with its layers in int8 that are among `layers`. Raises ConversionError for none.

    A convolution of groups with several channels each stays in float: ncnn has one scale for all
    of a group's weights.
    """
    places = _places(net, layers)
    if not places:
        raise ConversionError("ncnn has no layer of this net in int8", "export fp32")
    known = {place.layer.name: place.integers for place in places}
    following = {name: _following(net.layers, name, known) for name in known}
    pieces, position = [], 0
    for place in places:
        end = place.start + place.integers.floats.nbytes
        end += 4 * len(place.integers.steps) * _is_biased(place.layer)
        bias = net.weights[place.start + place.integers.floats.nbytes : end]
        pieces += [net.weights[position : place.start - 4]]
        pieces += [_int8(place.integers, bias, following[place.layer.name])]
        position = end
    written = [
        _told(each, following[each.name]) if each.name in known else each for each in net.layers
    ]
    return Net(tuple(written), b"".join([*pieces, net.weights[position:]]))


def _places(net: Net, layers: Sequence[Integers]) -> list[_Place]:
    """ncnn's layers found by their weights: pnnx keeps neither the names nor quite the order."""
    waiting, position, found = list(layers), 0, []
    for layer in net.layers:
        if not _can(layer):
            continue
        starts = [(_start(net.weights, position, layer, each), each) for each in waiting]
        known = [(start, index) for index, (start, _) in enumerate(starts) if start >= 0]
        if not known:
            continue
        start, index = min(known)
        integers = waiting.pop(index)
        found.append(_Place(layer, integers, start))
        position = start + integers.floats.nbytes
    return found


def _can(layer: Layer) -> bool:
    if layer.kind == DEPTHWISE:
        return layer.whole(param.GROUPS, 1) == layer.whole(param.OUTPUTS)
    return layer.kind in TERMS


def _start(weights: bytes, position: int, layer: Layer, integers: Integers) -> int:
    """Where the weights of `integers` stand from `position` on, as those of `layer`; or -1."""
    size = layer.whole(param.PRODUCT_SIZE if layer.kind == PRODUCT else param.SIZE)
    fits = (size, layer.whole(param.OUTPUTS)) == (integers.floats.size, len(integers.steps))
    if not fits or not integers.weights.any():
        return -1
    wanted = FLOAT_MARK + integers.floats.astype(FLOAT).tobytes()
    found = weights.find(wanted, position)
    return found + len(FLOAT_MARK) if found >= 0 else -1


def _is_biased(layer: Layer) -> bool:
    return bool(layer.whole(param.PRODUCT_BIASED if layer.kind == PRODUCT else param.BIASED))


def _int8(integers: Integers, bias: bytes, output: float | None) -> bytes:
    """A layer's part of the ``.bin``. output: the step of what it gives, None for float."""
    data = np.clip(integers.weights, -127, 127).astype(np.int8).tobytes()
    steps = [*integers.steps, integers.step, *([output] if output is not None else [])]
    scales = (1.0 / np.array(steps, np.float64)).astype(FLOAT).tobytes()
    return INT8_MARK + data + bytes(-len(data) % 4) + bias + scales


def _told(layer: Layer, output: float | None) -> Layer:
    term = TERMS[layer.kind] + (TO_INT8 if output is not None else 0)
    return replace(layer, values={**layer.values, param.INT8: str(term)})


def _following(layers: Sequence[Layer], name: str, known: Mapping[str, Integers]) -> float | None:
    """The step in which all readers of a convolution take its output, None where one is float."""
    own = next(layer for layer in layers if layer.name == name)
    if own.kind == PRODUCT:
        return None
    readers = _readers(layers, own.outputs[0])
    steps = {
        known[each.name].step if each.name in known and each.kind != PRODUCT else None
        for each in readers
    }
    return steps.pop() if len(steps) == 1 else None


def _readers(layers: Sequence[Layer], blob: str) -> list[Layer]:
    """The layers that read a blob, through the splits that ncnn puts in."""
    found = []
    for layer in layers:
        if blob in layer.inputs and layer.kind == "Split":
            found += [reader for made in layer.outputs for reader in _readers(layers, made)]
        elif blob in layer.inputs:
            found.append(layer)
    return found
