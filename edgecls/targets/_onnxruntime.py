"""What the targets of ONNX Runtime share: the scheme of its kernels, and the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecls import hardware, qdq
from edgecls.core import (
    DONE,
    Availability,
    Hardware,
    Outcome,
    Placement,
    Quantizing,
    Remedies,
    Request,
    Scheme,
    Source,
)
from edgecls.errors import ConversionError
from edgecls.quantize import emulation, ladder, ptq, running, weights_only

if TYPE_CHECKING:
    import onnx

QUANTIZING = Quantizing(Remedies(ranges="histogram", bias_correction="fast"), ladder.ONNX)


def availability() -> Availability:
    missing = Outcome("skipped", "onnxruntime is not installed", "pip install edgecls")
    state = DONE if hardware.package_version("onnxruntime") else missing
    return Availability(convert=state, compile=state, run=state)


def scheme(machine: Hardware) -> Scheme:
    """U8S8 on x86 (7-bit weights without VNNI), S8S8 on Arm.

    ONNX Runtime's x86 kernels multiply uint8 by int8; VPMADDUBSW saturates on AVX2. There it also
    turns a graph of int8 activations into one of uint8, which saturates worse.
    """
    if machine.is_arm:
        dot = "Arm's dot product multiplies" if "dotprod" in machine.features else "Arm multiplies"
        return Scheme("int8", symmetric_activations=True, reason=f"{dot} int8 by int8")
    saturates = hardware.saturates(machine)
    return Scheme(
        "uint8",
        symmetric_activations=False,
        reduce_range=saturates,
        reason="x86 multiplies uint8 by int8"
        + ("; without VNNI 8-bit weights saturate" if saturates else "; VNNI does not saturate"),
    )


def graph(source: Source, request: Request) -> onnx.ModelProto:
    """The graph in the precision and the batch that are asked for. Raises ConversionError."""
    import onnx

    from edgecls.graph import errors, with_batch

    model = _dynamic(source, request)
    with_batch(model, request.batch)
    try:
        onnx.checker.check_model(model, full_check=True)
    except errors() as error:
        raise ConversionError(
            f"the graph with a batch of {request.batch} is not sound: {error}",
            "report this net",
        ) from error
    return model


def _dynamic(source: Source, request: Request) -> onnx.ModelProto:
    import onnx

    if request.scheme is not None:
        trained = source.quantized(request.scheme)
        if trained is not None:
            model = onnx.load(trained)
            qdq.for_onnxruntime(model)
            return model
        if request.calibration is None:
            raise ConversionError("int8 needs calibration images", "give some, or export fp32")
        remedies = request.remedies or QUANTIZING.remedies
        subject = ptq.subject(source.onnx(), request.calibration, remedies)
        return ptq.quantized(subject, request.scheme, Placement(), remedies)
    model = onnx.load(source.onnx())
    if request.precision == "int8-dynamic":
        return weights_only.dynamic(model)
    if request.precision == "int8-weights":
        weights_only.weight_only(model)
    return model


def checked(model: onnx.ModelProto, source: Source, request: Request) -> dict[str, Any]:
    """The graph's check where its int8 overflows on this machine: Q/DQ in float, layers too."""
    from edgecls.bundle import SOURCE_TOLERANCE

    scheme = request.scheme
    if scheme is None or scheme.reduce_range or not hardware.saturates(hardware.here()):
        return {}
    tolerance = SOURCE_TOLERANCE[request.precision]
    return emulation.check(
        lambda images: running.logits(model, images, exact=True), source, request, tolerance
    )
