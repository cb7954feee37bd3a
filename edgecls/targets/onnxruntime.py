"""ONNX Runtime on a CPU: the graph as it is, or QDQ int8 in the scheme that the CPU is fast at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecls import hardware, qdq
from edgecls.core import (
    DONE,
    Artifact,
    Availability,
    Hardware,
    Outcome,
    Placement,
    Precision,
    Quantizing,
    Remedies,
    Request,
    Scheme,
    Source,
)
from edgecls.errors import ConversionError
from edgecls.quantize import ladder

if TYPE_CHECKING:
    import onnx


class OnnxRuntime:
    name = "onnxruntime"
    title = "ONNX Runtime (CPU)"
    version = 2
    precisions: tuple[Precision, ...] = ("fp32", "int8", "int8-dynamic", "int8-weights")
    kit = "onnxruntime"
    requirements = ("onnxruntime>=1.16",)
    packages = ("onnxruntime", "onnx", "torch")
    host_only = False
    quantizing = Quantizing(Remedies(ranges="histogram", bias_correction="fast"), ladder.ONNX)

    def availability(self) -> Availability:
        missing = Outcome("skipped", "onnxruntime is not installed", "pip install edgecls")
        state = DONE if hardware.package_version("onnxruntime") else missing
        return Availability(convert=state, compile=state, run=state)

    def scheme(self, machine: Hardware) -> Scheme:
        """U8S8 on x86 (7-bit weights without VNNI), S8S8 on Arm.

        ONNX Runtime's x86 kernels multiply uint8 by int8; VPMADDUBSW saturates on AVX2.
        """
        if machine.machine in ("aarch64", "arm64"):
            return Scheme("int8", symmetric_activations=True, reason="Arm multiplies int8 by int8")
        saturates = hardware.saturates(machine)
        return Scheme(
            "uint8",
            symmetric_activations=False,
            reduce_range=saturates,
            reason="x86 multiplies uint8 by int8"
            + (
                "; without VNNI 8-bit weights saturate" if saturates else "; VNNI does not saturate"
            ),
        )

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        import onnx

        from edgecls.graph import errors, with_batch

        path = out / "model.onnx"
        model = _graph(source, request)
        with_batch(model, request.batch)
        try:
            onnx.checker.check_model(model, full_check=True)
        except errors() as error:
            raise ConversionError(
                f"the graph with a batch of {request.batch} is not sound: {error}",
                "report this net",
            ) from error
        onnx.save(model, path)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=(path.name,),
            compiled=DONE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
        )

    def snippet(self, model_file: str) -> str:
        return (
            f'session = onnxruntime.InferenceSession("{model_file}")\n'
            'logits = session.run(None, {"image": pixels})[0]  # uint8[1, H, W, C] in'
        )


def _graph(source: Source, request: Request) -> onnx.ModelProto:
    """The graph in the precision that is asked for, its batch still dynamic."""
    import onnx

    from edgecls.quantize import ptq, weights_only

    if request.scheme is not None:
        trained = source.quantized(request.scheme)
        if trained is not None:
            model = onnx.load(trained)
            qdq.for_onnxruntime(model)
            return model
        if request.calibration is None:
            raise ConversionError("int8 needs calibration images", "give some, or export fp32")
        remedies = request.remedies or OnnxRuntime.quantizing.remedies
        subject = ptq.subject(source.onnx(), request.calibration, remedies)
        return ptq.quantized(subject, request.scheme, Placement(), remedies)
    model = onnx.load(source.onnx())
    if request.precision == "int8-dynamic":
        return weights_only.dynamic(model)
    if request.precision == "int8-weights":
        weights_only.weight_only(model)
    return model


TARGET = OnnxRuntime()
