"""TensorRT on a Jetson or another NVIDIA device, from 10.0 on: strongly typed fp16 or int8.

The device builds the engine itself, because an engine loads in no other version and on no other
GPU. So the bundle carries the graph; what can be checked here is its numbers, emulated on the CPU,
and its syntax, by the parser of TensorRT-RTX.
"""

from __future__ import annotations

from pathlib import Path

from edgecls import nvidia
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
from edgecls.hardware import package_version
from edgecls.quantize import strongly_typed
from edgecls.targets import _tensorrt


class TensorRt:
    name = "tensorrt"
    title = "TensorRT (Jetson and other NVIDIA GPUs)"
    version = 3
    precisions: tuple[Precision, ...] = ("fp16", "int8")
    kit = "tensorrt"
    # None: on a Jetson TensorRT comes with JetPack, and pip's would not run there.
    requirements: tuple[str, ...] = ()
    packages = _tensorrt.PACKAGES
    host_only = False
    quantizing = strongly_typed.QUANTIZING
    hardware: str | None = None
    dynamic_batch = True
    overflow_free: tuple[str, ...] = ("int8",)

    def availability(self) -> Availability:
        if package_version("tensorrt") and nvidia.has_gpu():
            return Availability(convert=DONE, compile=DONE, run=DONE)
        on_device = _tensorrt.ON_DEVICE
        run = Outcome("skipped", "no TensorRT with an NVIDIA GPU here", on_device.fix)
        return Availability(convert=DONE, compile=on_device, run=run)

    def scheme(self, machine: Hardware) -> Scheme:
        return _tensorrt.SCHEME

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        return _tensorrt.convert(self.name, source, request, out, {})

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


TARGET = TensorRt()
