"""ExecuTorch with XNNPACK on phones and small computers: a ``.pte`` in fp32 or int8.

Converted from the net itself through ``torch.export``. XNNPACK takes the whole net, and uint8 to
float is one portable kernel before it; a convolution that it does not take is an error, for the
portable kernel would be a hundred times slower.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecls import hardware
from edgecls.core import (
    DONE,
    Artifact,
    Availability,
    Hardware,
    Outcome,
    Precision,
    Quantizing,
    Remedies,
    Request,
    Scheme,
    Source,
)
from edgecls.errors import ConversionError, MissingDependency
from edgecls.quantize import ladder

if TYPE_CHECKING:
    from torch.export import ExportedProgram

EXTRA = "executorch"


class ExecuTorch:
    name = "executorch"
    title = "ExecuTorch with XNNPACK (CPU)"
    version = 1
    # No int8-dynamic: XNNPACK has it for linear layers, and a classifier is convolutions.
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    kit = "executorch"
    # Its Python runtime imports torch, and a wheel loads beside the torch that it was built for.
    requirements = ("executorch>=1.5,<1.6", "torch>=2.14,<2.15")
    packages = ("executorch", "torch")
    host_only = False
    hardware: str | None = "arm64"
    dynamic_batch = False
    quantizing = Quantizing(Remedies(ranges="histogram", bias_correction="fast"), ladder.ONNX)

    def availability(self) -> Availability:
        state = DONE
        if not hardware.package_version("executorch"):
            error = MissingDependency("executorch", EXTRA)
            state = Outcome("skipped", error.cause, error.fix)
        return Availability(convert=state, compile=state, run=state)

    def scheme(self, machine: Hardware) -> Scheme:
        return Scheme(
            "int8",
            symmetric_activations=False,
            reason="XNNPACK's int8 is symmetric weights per channel and activations with a zero "
            "point, on every machine",
        )

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        if not hardware.package_version("executorch"):
            raise MissingDependency("executorch", EXTRA)
        from edgecls.quantize.program import lowering

        data, shares = lowering.lowered(_program(source, request))
        path = out / "model.pte"
        path.write_bytes(data)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=(path.name,),
            compiled=DONE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
            details=shares.to_json(),
        )

    def snippet(self, model_file: str) -> str:
        return (
            f'method = executorch.runtime.Runtime.get().load_program("{model_file}")'
            '.load_method("forward")\n'
            "logits = method.execute([torch.from_numpy(pixels)])[0]  # uint8[1, H, W, C] in"
        )


def _program(source: Source, request: Request) -> ExportedProgram:
    """The program in the precision that is asked for, its batch fixed."""
    from edgecls.quantize.program import capture, ptq, trained

    assert request.batch != "dynamic"
    shape = (request.batch, *source.preprocess.input_shape[1:])
    if request.scheme is None:
        return capture.exported(source.module(), shape)
    if request.calibration is None:
        raise ConversionError("int8 needs calibration images", "give some, or export fp32")
    net = source.quantized_module(request.scheme)
    if net is not None:
        graph = trained.quantized(net, shape, request.scheme, request.calibration)
    else:
        remedies = request.remedies or ExecuTorch.quantizing.remedies
        graph = ptq.quantized(source.module(), shape, request.scheme, request.calibration, remedies)
    return capture.exported(graph, shape)


TARGET = ExecuTorch()
