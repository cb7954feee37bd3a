"""A checkpoint to one target in one precision: converted, packaged and self-checked."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from edgecls import hardware
from edgecls.bundle import Contents, make
from edgecls.core import (
    DONE,
    Artifact,
    Outcome,
    Precision,
    Remedies,
    Request,
    Scheme,
    Source,
    Target,
)
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import Checkpoint


def package(
    name: str,
    source: Source,
    target: Target,
    precision: Precision,
    out: Path,
    remedies: Remedies | None = None,
) -> Artifact:
    """Write the bundle of `source` into the empty folder `out`.

    name: what the model is called. remedies: of int8 (None: the target's own). The artifact that
    comes back lies in `out`. Raises ConversionError, and UsageError for a precision that the target
    has not.
    """
    if precision not in target.precisions:
        raise UsageError(
            f"{target.name} has no {precision}", f"valid: {', '.join(target.precisions)}"
        )
    suits = unsuited(checkpoints.load(source.checkpoint), target, precision)
    if suits.status != "ok":
        raise ConversionError(suits.reason, suits.fix)
    available = target.availability()
    if available.convert.status != "ok":
        raise MissingDependency(available.convert.reason, target.name)
    machine = hardware.here()
    scheme = target.scheme(machine) if precision == "int8" else None
    checkpoint = checkpoints.load(source.checkpoint)
    # fp16 is checked on them, int8 calibrated.
    calibration = None if precision == "fp32" else checkpoint.calibration()
    request = Request(precision, machine, scheme, calibration, remedies=remedies)
    converted = Path(tempfile.mkdtemp(prefix=".converted-", dir=out.parent))
    try:
        artifact = target.convert(source, request, converted)
        if remedies is not None:
            told = {**artifact.details, "remedies": remedies.to_json()}
            artifact = replace(artifact, details=told)
        if checkpoint.is_quantized and artifact.scheme is not None:
            artifact = replace(artifact, scheme=_trained(artifact.scheme, checkpoint))
        contents = Contents(name, artifact, target, checkpoint, source, machine)
        make(contents, out, runs_here=available.run.status == "ok")
    finally:
        shutil.rmtree(converted)
    return replace(artifact, folder=out)


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
