"""A checkpoint to one target in one precision: converted, packaged and self-checked."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from edgecls import hardware
from edgecls.bundle import Contents, make
from edgecls.core import Artifact, Precision, Request, Source, Target
from edgecls.errors import MissingDependency, UsageError
from edgecls.models import checkpoint as checkpoints


def package(name: str, source: Source, target: Target, precision: Precision, out: Path) -> Artifact:
    """Write the bundle of `source` into the empty folder `out`.

    name: what the model is called. The artifact that comes back lies in `out`. Raises
    ConversionError, and UsageError for a precision that the target has not.
    """
    if precision not in target.precisions:
        raise UsageError(
            f"{target.name} has no {precision}", f"valid: {', '.join(target.precisions)}"
        )
    available = target.availability()
    if available.convert.status != "ok":
        raise MissingDependency(available.convert.reason, target.name)
    machine = hardware.here()
    scheme = target.scheme(machine) if precision == "int8" else None
    checkpoint = checkpoints.load(source.checkpoint)
    # fp16 is checked on them, int8 calibrated.
    calibration = None if precision == "fp32" else checkpoint.calibration()
    request = Request(precision, machine, scheme, calibration)
    converted = Path(tempfile.mkdtemp(prefix=".converted-", dir=out.parent))
    try:
        artifact = target.convert(source, request, converted)
        contents = Contents(name, artifact, target, checkpoint, source, machine)
        make(contents, out, runs_here=available.run.status == "ok")
    finally:
        shutil.rmtree(converted)
    return replace(artifact, folder=out)
