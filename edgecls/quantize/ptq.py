"""Static post-training quantization of a canonical graph to QDQ form, with its remedies.

Weights are symmetric int8 per output channel; activations are what the `Scheme` says. The ranges,
the bias correction and the equalisation are ours (`ranges`, `bias`, `equalise`), the Q/DQ pairs
ONNX Runtime's tool puts in (`insert`). Normalisation stays in float.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecls.core import Images, Placement, Remedies, Scheme
from edgecls.errors import ConversionError
from edgecls.graph import normal_form
from edgecls.quantize import bias, layers, statistics
from edgecls.quantize.equalise import equalise
from edgecls.quantize.insert import insert, prepared
from edgecls.quantize.ranges import Range, Seen, choose

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Subject:
    """A float graph that is ready to be quantized, and what was seen of its activations.

    names: layer -> node, of the graph as it was given.
    """

    model: onnx.ModelProto
    seen: Mapping[str, Seen]
    names: Mapping[str, str]
    calibration: Images


def quantize(
    graph: Path,
    scheme: Scheme,
    calibration: Images,
    out: Path,
    *,
    placement: Placement | None = None,
    remedies: Remedies | None = None,
) -> None:
    """Write the quantized graph of `graph`, batch still dynamic, to `out`.

    calibration: uint8[N, H, W, C]. Raises ConversionError, and UsageError for a layer that the
    graph has not.
    """
    import onnx

    remedies = remedies or Remedies()
    found = subject(graph, calibration, remedies)
    model = quantized(found, scheme, placement or Placement(), remedies)
    onnx.save(model, out)


def subject(graph: Path, calibration: Images, remedies: Remedies) -> Subject:
    """The float graph, equalised and with biases to correct where that is asked for."""
    import onnx

    if not len(calibration):
        raise ConversionError(
            "int8 needs calibration images, and there are none", "train it again with some"
        )
    if remedies.smooth_quant is not None:
        raise ConversionError(
            "SmoothQuant is not done on this target's graph", "use equalisation instead"
        )
    model = onnx.load(graph)
    names = layers.named(model)
    layers.nodes(model, remedies.float_layers)  # a wrong name is told before the work
    if remedies.equalise:
        equalise(model, calibration)
    model = prepared(model)
    if remedies.bias_correction != "none":
        bias.with_own_biases(model)
    try:
        seen = statistics.collect(model, calibration)
    except ConversionError as error:
        raise ConversionError(
            f"ONNX Runtime cannot quantize this graph: {error.cause}", "export fp32, or another net"
        ) from error
    return Subject(model, seen, names, calibration)


def chosen(subject: Subject, scheme: Scheme, remedies: Remedies) -> dict[str, Range]:
    """The range of every activation."""
    return {name: choose(seen, scheme, remedies) for name, seen in subject.seen.items()}


def quantized(
    subject: Subject,
    scheme: Scheme,
    placement: Placement,
    remedies: Remedies,
    only: Collection[str] = (),
    ranges: Mapping[str, Range] | None = None,
) -> onnx.ModelProto:
    """A quantized copy in canonical form.

    only: if any, all other nodes stay in float. ranges: where they are known already.
    """
    import onnx

    ranges = ranges or chosen(subject, scheme, remedies)
    outside = [subject.names.get(name, name) for name in remedies.float_layers]
    excluded = [each for name in outside for each in layers.around(subject.model, name)]

    def made(model: onnx.ModelProto) -> onnx.ModelProto:
        return insert(model, scheme, placement, ranges, excluded=excluded, only=only)

    model = made(subject.model)
    if remedies.bias_correction != "none":
        corrected = onnx.ModelProto()
        corrected.CopyFrom(subject.model)
        how = bias.full if remedies.bias_correction == "full" else bias.fast
        bias.correct(corrected, how(subject.model, model, subject.calibration))
        model = made(corrected)
    normal_form(model)
    return model
