"""What the targets of OpenVINO share: the model of a source in a precision, as IR."""

from __future__ import annotations

import errno
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgecls import hardware, intel
from edgecls.core import (
    DONE,
    Artifact,
    Availability,
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
from edgecls.quantize import emulation, ladder

PACKAGES = ("openvino", "nncf", "torch", "onnx")


def _variants(graph: Path, scheme: Scheme, calibration: Images, remedies: Remedies) -> Variants:
    from edgecls.quantize.nncf_variants import NncfVariants

    return NncfVariants(graph, scheme, calibration, remedies)


# NNCF's default (means of extremes, fast correction) lost 0.8 and 6.4 points on small nets where
# these lost 0.0 and 0.2.
QUANTIZING = Quantizing(
    Remedies(ranges="minmax", bias_correction="full"),
    ladder.NNCF,
    variants=_variants,
    smooth_quant=True,
)


def availability() -> Availability:
    """Of the CPU, which is everywhere."""
    missing = Outcome("skipped", "openvino is not installed", "pip install edgecls")
    state = DONE if hardware.package_version("openvino") else missing
    return Availability(convert=state, compile=state, run=state)


def runs(precision: Precision) -> Outcome:
    """Whether this CPU multiplies in a precision: without the instructions the kit refuses bf16."""
    if precision != "bf16":
        return DONE
    import openvino

    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return DONE
    return Outcome(
        "skipped",
        "this CPU has no bf16",
        "measure it on one that has: edgecls bench BUNDLE --on ssh://user@device",
    )


def availability_of(device: str, there: bool, driver: str) -> Availability:
    """Of a device that not every machine has. there: by the kernel; driver: what it needs."""
    can = availability().convert
    if can.status != "ok":
        return Availability(can, can, can)
    elsewhere = "copy the bundle to a machine with one and run: python3 infer.py --verify"
    if not there:
        run = Outcome("skipped", f"no Intel {device} here", elsewhere)
    elif not any(name.split(".")[0] == device for name in intel.seen_by_openvino()):
        run = Outcome("skipped", f"OpenVINO does not see this machine's {device}", driver)
    else:
        run = DONE
    compiled = run if run.status == "ok" else Outcome("skipped", "compiled where it runs", run.fix)
    return Availability(can, compiled, run)


def convert(
    target: str, device: str, source: Source, request: Request, out: Path, check: bool
) -> Artifact:
    """Write IR for an OpenVINO device. check: on the CPU, where the device is not here."""
    try:
        model = _model(source, request, device)
        batch = -1 if request.batch == "dynamic" else request.batch
        model.reshape([batch, *source.preprocess.input_shape[1:]])
        _name_by_place(model)
        halves = request.precision == "fp16"
        _save(model, out / "model.xml", halves)
        details = _checked(out / "model.xml", source, request) if check else {}
    except _errors() as error:
        raise ConversionError(
            f"OpenVINO cannot convert this graph: {error}", "choose another target or net"
        ) from error
    return Artifact(
        target=target,
        precision=request.precision,
        folder=out,
        files=("model.xml", "model.bin"),
        compiled=DONE,
        scheme=request.scheme,
        versions=hardware.versions(PACKAGES),
        details={**({} if device == "CPU" else {"device": device}), **details},
    )


def _save(model: Any, path: Path, halves: bool) -> None:
    """Write the IR. Raises OSError, which names the folder, where the disk is at fault.

    OpenVINO's own words for a full disk are those of a C++ stream, without the cause.
    """
    import openvino

    try:
        openvino.save_model(model, str(path), compress_to_fp16=halves)
    except RuntimeError as error:
        if "iostream" not in str(error):
            raise
        _try_writing(path.parent)
        raise OSError(errno.EIO, f"OpenVINO could not write: {error}", str(path.parent)) from error


def _try_writing(folder: Path) -> None:
    """Raises the system's own OSError where a megabyte cannot be written into `folder`."""
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(bytes(1 << 20))
            stream.flush()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _checked(path: Path, source: Source, request: Request) -> dict[str, Any]:
    """The IR on this machine's CPU in fp32, unless its int8 overflows there."""
    from edgecls.bundle import SOURCE_TOLERANCE

    scheme = request.scheme
    overflows = scheme is not None and not scheme.reduce_range
    if overflows and hardware.saturates(hardware.here()):
        return {"emulated": "not checked: int8 overflows on the exporting host's CPU (no VNNI)"}
    import openvino

    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    fixed = model.inputs[0].partial_shape[0]
    step = fixed.get_length() if fixed.is_static else 1

    def answer(images: Any) -> Any:
        import numpy as np

        parts = [images[i : i + step] for i in range(0, len(images), step)]
        return np.concatenate([model([part])[0] for part in parts])

    return emulation.check(answer, source, request, SOURCE_TOLERANCE[request.precision])


def _model(source: Source, request: Request, device: str) -> Any:
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
    remedies = request.remedies or QUANTIZING.remedies
    return nncf_ptq.quantized(source.onnx(), request.scheme, request.calibration, remedies, device)


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
