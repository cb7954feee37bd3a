"""What TensorRT's targets share: the scheme, the strongly typed graph, and its syntax check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecls import hardware, nvidia
from edgecls.core import Artifact, Outcome, Request, Scheme, Source
from edgecls.errors import MissingDependency
from edgecls.quantize import strongly_typed

SCHEME = Scheme(
    "int8",
    symmetric_activations=True,
    reason="TensorRT multiplies int8 by int8 and takes no zero point",
)
ON_DEVICE = Outcome(
    "skipped",
    "the engine is built on the device, by its own TensorRT",
    "copy the bundle to the device and run: python3 infer.py --verify",
)
PACKAGES = ("onnx", "onnxruntime", "torch", nvidia.RTX_PACKAGE)


def convert(
    target: str, source: Source, request: Request, out: Path, details: dict[str, Any]
) -> Artifact:
    """Write the graph that the device builds its engine of. Raises ConversionError."""
    from edgecls.bundle import SOURCE_TOLERANCE

    tolerance = SOURCE_TOLERANCE[request.precision]
    model, checked = strongly_typed.graph(source, request, tolerance)
    data = model.SerializeToString()
    if request.batch == "dynamic":
        details = {**details, "profile": dict(nvidia.PROFILE)}
    path = out / "model.onnx"
    path.write_bytes(data)
    return Artifact(
        target=target,
        precision=request.precision,
        folder=out,
        files=(path.name,),
        compiled=ON_DEVICE,
        scheme=request.scheme,
        versions=hardware.versions(PACKAGES),
        details={**checked, "syntax_check": _syntax_check(data), **details},
    )


def _syntax_check(data: bytes) -> str:
    """What the graph's syntax was checked with. Raises ConversionError where it is refused."""
    try:
        version = nvidia.parse(data).runtime.__version__
    except MissingDependency as missing:
        return f"not checked: {missing.cause} ({missing.fix})"
    return f"parsed by TensorRT-RTX {version}: a check of the syntax and no more"
