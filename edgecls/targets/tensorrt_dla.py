"""TensorRT on the DLA of a Jetson Orin (AGX and NX): strongly typed fp16, its batch fixed.

What the DLA has no layer for runs on the GPU. No int8: the DLA takes it from Q/DQ only in part,
and nobody could check that here.
"""

from __future__ import annotations

from pathlib import Path

from edgecls.core import (
    DONE,
    Artifact,
    Availability,
    Hardware,
    Outcome,
    Precision,
    Request,
    Scheme,
    Source,
)
from edgecls.errors import ConversionError, UsageError
from edgecls.targets import _tensorrt

# The other one is chosen on the device; both are alike.
CORE = 0
DEVICES = ("jetson-orin",)


class TensorRtDla:
    name = "tensorrt-dla"
    title = "TensorRT (DLA of a Jetson Orin)"
    version = 1
    precisions: tuple[Precision, ...] = ("fp16",)
    kit = "tensorrt"
    requirements: tuple[str, ...] = ()
    packages = _tensorrt.PACKAGES
    host_only = False
    quantizing = None
    hardware: str | None = "jetson-orin"
    dynamic_batch = False
    overflow_free: tuple[str, ...] = ("int8",)

    def availability(self) -> Availability:
        """Never here: a bundle is measured on the Jetson itself."""
        run = Outcome("skipped", "a DLA is in a Jetson Orin alone", _tensorrt.ON_DEVICE.fix)
        return Availability(convert=DONE, compile=_tensorrt.ON_DEVICE, run=run)

    def scheme(self, machine: Hardware) -> Scheme:
        raise ConversionError("the DLA gets no int8 from edgecls", "export fp16")

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        if request.hardware.profile not in DEVICES:
            raise UsageError(
                f"{request.hardware.name} has no DLA that TensorRT builds for",
                f"export --for {DEVICES[0]}, or --target tensorrt for the GPU",
            )
        return _tensorrt.convert(self.name, source, request, out, {"dla_core": CORE})

    def snippet(self, model_file: str) -> str:
        return (
            "# Once, on the device:\n"
            f"# trtexec --onnx={model_file} --stronglyTyped --useDLACore={CORE} "
            "--allowGPUFallback --saveEngine=model.engine\n"
            "runtime = tensorrt.Runtime(tensorrt.Logger())\n"
            'engine = runtime.deserialize_cuda_engine(open("model.engine", "rb").read())\n'
            "context = engine.create_execution_context()  # image: uint8[1, H, W, C] in"
        )


TARGET = TensorRtDla()
