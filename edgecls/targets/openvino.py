"""OpenVINO on Intel-compatible and Arm CPUs: IR in fp32 or bf16, int8 by NNCF."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from edgecls import hardware
from edgecls.core import (
    DONE,
    Artifact,
    Availability,
    Hardware,
    Images,
    Outcome,
    Precision,
    Quantizing,
    Remedies,
    Request,
    Scheme,
    Source,
    Variants,
)
from edgecls.errors import ConversionError
from edgecls.quantize import ladder


def _variants(graph: Path, scheme: Scheme, calibration: Images, remedies: Remedies) -> Variants:
    from edgecls.quantize.nncf_variants import NncfVariants

    return NncfVariants(graph, scheme, calibration, remedies)


class OpenVino:
    name = "openvino"
    title = "OpenVINO (CPU)"
    version = 3
    # No fp16: on x86 CPUs the plugin takes it for bf16 or fp32, and says so only when asked.
    precisions: tuple[Precision, ...] = ("fp32", "bf16", "int8", "int8-weights")
    kit = "openvino"
    requirements = ("openvino>=2023.3",)
    packages = ("openvino", "nncf", "torch", "onnx")
    host_only = False
    # NNCF's default (means of extremes, fast correction) lost 0.8 and 6.4 points on small nets
    # where these lost 0.0 and 0.2.
    quantizing = Quantizing(
        Remedies(ranges="minmax", bias_correction="full"), ladder.NNCF, variants=_variants
    )

    def availability(self) -> Availability:
        missing = Outcome("skipped", "openvino is not installed", "pip install edgecls")
        state = DONE if hardware.package_version("openvino") else missing
        return Availability(convert=state, compile=state, run=state)

    def scheme(self, machine: Hardware) -> Scheme:
        """Asymmetric activations: as quick as symmetric ones in OpenVINO, and more accurate.

        The plugin itself fits the graph to the CPU (zero points, reduced weights without VNNI).
        """
        return Scheme(
            "uint8",
            symmetric_activations=False,
            reason="NNCF's mixed preset with full bias correction; the plugin fits it to the CPU",
        )

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        import openvino

        try:
            model = _model(source, request)
            model.reshape([request.batch, *source.preprocess.input_shape[1:]])
            _name_by_place(model)
            openvino.save_model(model, str(out / "model.xml"), compress_to_fp16=False)
        except _errors() as error:
            raise ConversionError(
                f"OpenVINO cannot convert this graph: {error}", "choose another target or net"
            ) from error
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=("model.xml", "model.bin"),
            compiled=DONE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
        )

    def snippet(self, model_file: str) -> str:
        return (
            f'model = openvino.Core().compile_model("{model_file}", "CPU")\n'
            "logits = model([pixels])[0]  # uint8[1, H, W, C] in"
        )


def _name_by_place(model: Any) -> None:
    """Number the names that OpenVINO made up: it counts everything that the process ever made.

    So one conversion gives the same bytes, whatever was converted before it.
    """
    for place, node in enumerate(model.get_ordered_ops()):
        made_up = re.fullmatch(r"([A-Z][A-Za-z0-9]*)_\d+", node.get_friendly_name())
        if made_up:
            node.set_friendly_name(f"{made_up[1]}_{place}")


def _errors() -> tuple[type[Exception], ...]:
    """What OpenVINO and NNCF raise; most are children of Exception."""
    from openvino import frontend
    from openvino.tools.ovc.error import BasicError

    nncf = sys.modules.get("nncf.errors")  # imported by nncf_ptq alone
    named = [*vars(frontend).values(), *(vars(nncf).values() if nncf else ())]
    kinds = [kind for kind in named if isinstance(kind, type) and issubclass(kind, Exception)]
    return (RuntimeError, BasicError, *kinds)


def _model(source: Source, request: Request) -> Any:
    """The model in the precision that is asked for; in bf16 it is the kit that asks for it."""
    import openvino

    from edgecls.quantize import nncf_ptq

    if request.scheme is None:
        model = openvino.convert_model(str(source.onnx()))
        return nncf_ptq.weight_only(model) if request.precision == "int8-weights" else model
    trained = source.quantized(request.scheme)
    if trained is not None:
        return openvino.convert_model(str(trained))
    if request.calibration is None or not len(request.calibration):
        raise ConversionError("int8 needs calibration images", "give some, or export fp32")
    remedies = request.remedies or OpenVino.quantizing.remedies
    return nncf_ptq.quantized(source.onnx(), request.scheme, request.calibration, remedies)


TARGET = OpenVino()
