"""TensorRT on a Jetson or another NVIDIA device, from 10.0 on: strongly typed fp16 or int8.

The device builds the engine itself, because an engine loads in no other version and on no other
GPU. So the bundle carries the graph; what can be checked here is its numbers, emulated on the CPU,
and its syntax, by the parser of TensorRT-RTX.
"""

from __future__ import annotations

from pathlib import Path

from edgecls import hardware, nvidia
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
from edgecls.errors import MissingDependency
from edgecls.quantize import strongly_typed

ON_DEVICE = Outcome(
    "skipped",
    "the engine is built on the device, by its own TensorRT",
    "copy the bundle to the device and run: python3 infer.py --verify",
)


class TensorRt:
    name = "tensorrt"
    title = "TensorRT (Jetson and other NVIDIA GPUs)"
    version = 2
    precisions: tuple[Precision, ...] = ("fp16", "int8")
    kit = "tensorrt"
    # None: on a Jetson TensorRT comes with JetPack, and pip's would not run there.
    requirements: tuple[str, ...] = ()
    packages = ("onnx", "onnxruntime", "torch", nvidia.RTX_PACKAGE)
    host_only = False
    quantizing = strongly_typed.QUANTIZING

    def availability(self) -> Availability:
        if hardware.package_version("tensorrt") and nvidia.has_gpu():
            return Availability(convert=DONE, compile=DONE, run=DONE)
        run = Outcome("skipped", "no TensorRT with an NVIDIA GPU here", ON_DEVICE.fix)
        return Availability(convert=DONE, compile=ON_DEVICE, run=run)

    def scheme(self, machine: Hardware) -> Scheme:
        return Scheme(
            "int8",
            symmetric_activations=True,
            reason="TensorRT multiplies int8 by int8 and takes no zero point",
        )

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        from edgecls.bundle import SOURCE_TOLERANCE

        tolerance = SOURCE_TOLERANCE[request.precision]
        model, details = strongly_typed.graph(source, request, tolerance)
        data = model.SerializeToString()
        details["syntax_check"] = _syntax_check(data)
        path = out / "model.onnx"
        path.write_bytes(data)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=(path.name,),
            compiled=ON_DEVICE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
            details=details,
        )

    def snippet(self, model_file: str) -> str:
        return (
            "# TensorRT 10 or newer: from JetPack on a Jetson (python3 -m venv "
            "--system-site-packages),\n"
            "# elsewhere: python3 -m pip install tensorrt. Once, on the device:\n"
            f"# trtexec --onnx={model_file} --stronglyTyped --saveEngine=model.engine\n"
            "runtime = tensorrt.Runtime(tensorrt.Logger())\n"
            'engine = runtime.deserialize_cuda_engine(open("model.engine", "rb").read())\n'
            "context = engine.create_execution_context()  # image: uint8[1, H, W, C] in"
        )


def _syntax_check(data: bytes) -> str:
    """What the graph's syntax was checked with. Raises ConversionError where it is refused."""
    try:
        version = nvidia.parse(data).runtime.__version__
    except MissingDependency as missing:
        return f"not checked: {missing.cause} ({missing.fix})"
    return f"parsed by TensorRT-RTX {version}: a check of the syntax and no more"


TARGET = TensorRt()
