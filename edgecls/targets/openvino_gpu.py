"""OpenVINO on Intel's GPU: IR in fp16, int8 by NNCF."""

from __future__ import annotations

from pathlib import Path

from edgecls import intel
from edgecls.core import Artifact, Availability, Hardware, Precision, Request, Scheme, Source
from edgecls.targets import _openvino

DEVICE = "GPU"
DRIVER = "install Intel's compute runtime: apt-get install intel-opencl-icd"
REASON = "NNCF's mixed preset for Intel's GPUs, whose sums of products are of 32 bits"


class OpenVinoGpu:
    name = "openvino-gpu"
    title = "OpenVINO (Intel GPU)"
    version = 1
    precisions: tuple[Precision, ...] = ("fp16", "int8")
    kit = "openvino"
    requirements = ("openvino>=2024.0",)
    packages = _openvino.PACKAGES
    host_only = False
    quantizing = _openvino.QUANTIZING
    hardware: str | None = None
    dynamic_batch = True
    overflow_free: tuple[str, ...] = ("uint8", "int8")

    def availability(self) -> Availability:
        return _openvino.availability_of(DEVICE, intel.has_gpu(), DRIVER)

    def scheme(self, machine: Hardware) -> Scheme:
        return Scheme("uint8", symmetric_activations=False, reason=REASON)

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        return _openvino.convert(self.name, DEVICE, source, request, out, check=True)

    def snippet(self, model_file: str) -> str:
        return (
            f'model = openvino.Core().compile_model("{model_file}", "{DEVICE}")\n'
            "logits = model([pixels])[0]  # uint8[1, H, W, C] in"
        )


TARGET = OpenVinoGpu()
