"""A checkpoint to one target in one precision: converted, packaged and self-checked."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecls import hardware
from edgecls.bundle import Contents, make
from edgecls.core import (
    DONE,
    Artifact,
    Hardware,
    Outcome,
    Precision,
    Purpose,
    Remedies,
    Request,
    Scheme,
    Source,
    Target,
)
from edgecls.device.meta import Meta
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import Checkpoint

AT_HAND = Purpose()
ON_DEVICE = "measure it on such a device: edgecls bench BUNDLE --on ssh://user@device"


def package(
    name: str,
    source: Source,
    target: Target,
    precision: Precision,
    out: Path,
    remedies: Remedies | None = None,
    purpose: Purpose = AT_HAND,
) -> Artifact:
    """Write the bundle of `source` into the empty folder `out`.

    name: what the model is called. remedies: of int8 (None: the target's own). The artifact that
    comes back lies in `out`. Raises ConversionError, and UsageError for a precision, a machine or a
    batch that the target has not.
    """
    checkpoint = checkpoints.load(source.checkpoint)
    _refuse(target, precision, purpose)
    suits = unsuited(checkpoint, target, precision)
    if suits.status != "ok":
        raise ConversionError(suits.reason, suits.fix)
    available = target.availability()
    if available.convert.status != "ok":
        raise MissingDependency(available.convert.reason, target.name)
    machine = machine_of(target, purpose)
    scheme = target.scheme(machine) if precision == "int8" else None
    # fp16 is checked on them, int8 calibrated.
    calibration = None if precision == "fp32" else checkpoint.calibration()
    request = Request(precision, machine, scheme, calibration, purpose.batch, remedies)
    converted = Path(tempfile.mkdtemp(prefix=".converted-", dir=out.parent))
    try:
        artifact = target.convert(source, request, converted)
        if checkpoint.is_quantized and artifact.scheme is not None:
            artifact = replace(artifact, scheme=_trained(artifact.scheme, checkpoint))
        runs = faithful(target, precision, artifact.scheme)
        artifact = replace(artifact, details={**artifact.details, **_told(request, runs)})
        contents = Contents(name, artifact, target, checkpoint, source, machine)
        make(contents, out, runs_here=runs.status == "ok")
    finally:
        shutil.rmtree(converted)
    return replace(artifact, folder=out)


def machine_of(target: Target, purpose: Purpose) -> Hardware:
    """What `target` converts for. Raises UsageError for a machine that does not exist."""
    # A target of another package may not say what it is for.
    return hardware.chosen(purpose.profile, getattr(target, "hardware", None))


def faithful(target: Target, precision: Precision, scheme: Scheme | None) -> Outcome:
    """Whether this machine can run a conversion and answers as the device would.

    Where this runtime wants weights in 7 bits here, 8 bits overflow: what they answer here is no
    reference for a machine where they do not.
    """
    run = target.availability().run
    if run.status == "ok" and hasattr(target, "runs"):
        run = target.runs(precision)
    if run.status != "ok" or scheme is None or scheme.reduce_range:
        return run
    exact = scheme.activation in getattr(target, "overflow_free", ())
    if exact or not target.scheme(hardware.here()).reduce_range:
        return run
    return Outcome(
        "skipped",
        "its weights use 8 bits, and this CPU has no VNNI: their products overflow here, which "
        "they do not on the machine that it was converted for",
        ON_DEVICE,
    )


def described(bundle: Meta) -> dict[str, Any]:
    """What a row says of its bundle's scheme and of the machine that it was converted for."""
    scheme, machine = bundle.scheme or {}, bundle.hardware.get("profile", hardware.HERE)
    return {
        "scheme": scheme.get("name"),
        "scheme_reason": scheme.get("reason", ""),
        "made_for": "" if machine == hardware.HERE else machine,
    }


def _refuse(target: Target, precision: Precision, purpose: Purpose) -> None:
    """Raise UsageError for what the target has not."""
    if precision not in target.precisions:
        raise UsageError(
            f"{target.name} has no {precision}", f"valid: {', '.join(target.precisions)}"
        )
    if purpose.batch == "dynamic" and not getattr(target, "dynamic_batch", False):
        raise UsageError(
            f"{target.name} takes a fixed number of images at once", "such as --batch 8"
        )


def _told(request: Request, runs: Outcome) -> dict[str, Any]:
    """What meta.json says of a request beside its scheme and its machine."""
    told: dict[str, Any] = {}
    if request.batch != 1:
        told["batch"] = request.batch
    if request.remedies is not None:
        told["remedies"] = request.remedies.to_json()
    if runs.status != "ok":
        told["not_run_by_the_exporter"] = runs.reason
    return told


def unsuited(checkpoint: Checkpoint, target: Target, precision: Precision) -> Outcome:
    """Why a net that was trained for int8 is not shipped in another precision; else `DONE`."""
    if precision == "int8" or target.host_only or not checkpoint.is_quantized:
        return DONE
    return Outcome(
        "skipped",
        f"the net was trained for int8, in {precision} it would be another",
        f"export int8, or {precision} from the model that it was trained from",
    )


def _trained(scheme: Scheme, checkpoint: Checkpoint) -> Scheme:
    """What was made of the `scheme` that the target wants."""
    return replace(
        scheme,
        symmetric_activations=True,
        reduce_range=checkpoint.is_reduced,
        reason="the net was trained for it",
    )
