"""OpenVINO on Intel-compatible and Arm CPUs: IR in fp32, int8 by NNCF."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
import warnings
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
    Request,
    Scheme,
    Source,
)
from edgecls.errors import ConversionError


class OpenVino:
    name = "openvino"
    title = "OpenVINO (CPU)"
    version = 1
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    kit = "openvino"
    requirements = ("openvino>=2023.3",)
    packages = ("openvino", "nncf", "torch", "onnx")
    host_only = False

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
            model = openvino.convert_model(str(source.onnx()))
            if request.scheme is not None:
                if request.calibration is None or not len(request.calibration):
                    raise ConversionError(
                        "int8 needs calibration images", "give some, or export fp32"
                    )
                model = _quantize(model, request.calibration)
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

    nncf = sys.modules.get("nncf.errors")  # imported by _quantize alone
    named = [*vars(frontend).values(), *(vars(nncf).values() if nncf else ())]
    kinds = [kind for kind in named if isinstance(kind, type) and issubclass(kind, Exception)]
    return (RuntimeError, BasicError, *kinds)


def _quantize(model: Any, calibration: Images) -> Any:
    """NNCF's post-training quantization; its progress bars are not ours to show."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        # It tells of a CUDA compiler that nobody asked for.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        import nncf

        nncf.set_log_level(logging.ERROR)
        batches = [calibration[i : i + 1] for i in range(len(calibration))]
        return nncf.quantize(
            model,
            nncf.Dataset(batches),
            preset=nncf.QuantizationPreset.MIXED,
            # The fast correction lost half a point on small nets where the full one lost none.
            fast_bias_correction=False,
            subset_size=len(batches),
        )


TARGET = OpenVino()
