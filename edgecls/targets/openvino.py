"""OpenVINO on Intel-compatible and Arm CPUs: IR in fp32 or bf16, int8 by NNCF."""

from __future__ import annotations

from pathlib import Path

from edgecls.core import (
    Artifact,
    Availability,
    Hardware,
    Outcome,
    Precision,
    Request,
    Scheme,
    Source,
)
from edgecls.hardware import saturates
from edgecls.targets import _openvino


class OpenVino:
    name = "openvino"
    title = "OpenVINO (CPU)"
    version = 3
    # No fp16: on x86 CPUs the plugin takes it for bf16 or fp32, and says so only when asked.
    precisions: tuple[Precision, ...] = ("fp32", "bf16", "int8", "int8-weights")
    kit = "openvino"
    requirements = ("openvino>=2023.3",)
    packages = _openvino.PACKAGES
    host_only = False
    quantizing = _openvino.QUANTIZING
    hardware: str | None = None
    dynamic_batch = True
    overflow_free: tuple[str, ...] = ()

    def availability(self) -> Availability:
        return _openvino.availability()

    def runs(self, precision: Precision) -> Outcome:
        return _openvino.runs(precision)

    def scheme(self, machine: Hardware) -> Scheme:
        """Asymmetric uint8 on x86: as quick as symmetric, more accurate. Symmetric on Arm and AMX.

        With AMX a convolution whose input has a zero point falls back to older kernels, which takes
        mobilenet_v2 a quarter more time. The plugin fits signs and zero points to its kernels, but
        it does not spare the weights: on AVX2 products of 8 bits overflow as in ONNX Runtime.
        """
        if machine.is_arm:
            # Of Arm's Compute Library; a zero point would stand between the layers in float.
            reason = "NNCF's symmetric preset: the kernels for Arm take no zero point"
            return Scheme("int8", symmetric_activations=True, reason=reason)
        if "amx_int8" in machine.features:
            reason = "NNCF's symmetric preset: AMX's kernels take no zero point"
            return Scheme("int8", symmetric_activations=True, reason=reason)
        narrow = saturates(machine)
        return Scheme(
            "uint8",
            symmetric_activations=False,
            reduce_range=narrow,
            reason="NNCF's mixed preset with full bias correction"
            + ("; without VNNI 8-bit weights saturate" if narrow else "; VNNI does not saturate"),
        )

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        return _openvino.convert(self.name, "CPU", source, request, out, check=False)

    def snippet(self, model_file: str) -> str:
        return (
            f'model = openvino.Core().compile_model("{model_file}", "CPU")\n'
            "logits = model([pixels])[0]  # uint8[1, H, W, C] in"
        )


TARGET = OpenVino()
