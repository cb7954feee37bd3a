"""ONNX Runtime on a CPU: the graph as it is, or QDQ int8 in the scheme that the CPU is fast at."""

from __future__ import annotations

from pathlib import Path

from edgecls import hardware
from edgecls.core import (
    DONE,
    Artifact,
    Availability,
    Hardware,
    Precision,
    Request,
    Scheme,
    Source,
)
from edgecls.targets import _onnxruntime


class OnnxRuntime:
    name = "onnxruntime"
    title = "ONNX Runtime (CPU)"
    version = 3
    precisions: tuple[Precision, ...] = ("fp32", "int8", "int8-dynamic", "int8-weights")
    kit = "onnxruntime"
    requirements = ("onnxruntime>=1.16",)
    packages = ("onnxruntime", "onnx", "torch")
    host_only = False
    quantizing = _onnxruntime.QUANTIZING
    hardware: str | None = None
    dynamic_batch = True
    overflow_free: tuple[str, ...] = ()

    def availability(self) -> Availability:
        return _onnxruntime.availability()

    def scheme(self, machine: Hardware) -> Scheme:
        return _onnxruntime.scheme(machine)

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        import onnx

        path = out / "model.onnx"
        model = _onnxruntime.graph(source, request)
        onnx.save(model, path)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=(path.name,),
            compiled=DONE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
            details=_onnxruntime.checked(model, source, request),
        )

    def snippet(self, model_file: str) -> str:
        return (
            f'session = onnxruntime.InferenceSession("{model_file}")\n'
            'logits = session.run(None, {"image": pixels})[0]  # uint8[1, H, W, C] in'
        )


TARGET = OnnxRuntime()
