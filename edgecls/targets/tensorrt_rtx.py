"""TensorRT-RTX: an engine compiled ahead of time, without a GPU, for NVIDIA's RTX GPUs.

One engine holds the code of every compute capability that the installed version knows. It loads in
that version alone, which is why the bundle requires it and the kit checks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecls import hardware, nvidia
from edgecls.core import (
    DONE,
    Artifact,
    Availability,
    Hardware,
    Outcome,
    Precision,
    Request,
    Scheme,
    Source,
)
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.quantize import strongly_typed
from edgecls.targets import _tensorrt

INSTALLED = hardware.package_version(nvidia.RTX_PACKAGE)


class TensorRtRtx:
    name = "tensorrt-rtx"
    title = "TensorRT-RTX (NVIDIA RTX GPUs)"
    version = 3
    precisions: tuple[Precision, ...] = ("fp16", "int8")
    kit = "tensorrt-rtx"
    requirements = (f"{nvidia.RTX_PACKAGE}{'==' + INSTALLED if INSTALLED else '>=1.7,<2'}",)
    packages = (nvidia.RTX_PACKAGE, "onnx", "onnxruntime", "torch")
    host_only = False
    quantizing = strongly_typed.QUANTIZING
    hardware: str | None = None
    dynamic_batch = True
    overflow_free: tuple[str, ...] = ("int8",)

    def availability(self) -> Availability:
        if not hardware.package_version(nvidia.RTX_PACKAGE):
            error = MissingDependency("tensorrt-rtx", nvidia.RTX_EXTRA)
            missing = Outcome("skipped", error.cause, error.fix)
            return Availability(convert=missing, compile=missing, run=missing)
        elsewhere = Outcome(
            "skipped",
            "no NVIDIA RTX GPU here",
            "copy the bundle to a machine with one and run: python3 infer.py --verify",
        )
        run = DONE if nvidia.has_gpu() else elsewhere
        return Availability(convert=DONE, compile=DONE, run=run)

    def scheme(self, machine: Hardware) -> Scheme:
        return _tensorrt.SCHEME

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        if not hardware.package_version(nvidia.RTX_PACKAGE):
            raise MissingDependency("tensorrt-rtx", nvidia.RTX_EXTRA)
        from edgecls.bundle import SOURCE_TOLERANCE

        tolerance = SOURCE_TOLERANCE[request.precision]
        model, details = strongly_typed.graph(source, request, tolerance)
        network = nvidia.parse(model.SerializeToString())
        path = out / "model.engine"
        wanted = request.hardware.compute_capabilities
        profile = dict(nvidia.PROFILE) if request.batch == "dynamic" else None
        engine, capabilities = _compile(network, wanted, profile)
        path.write_bytes(engine)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=(path.name,),
            compiled=DONE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
            details={
                **details,
                "tensorrt_rtx": network.runtime.__version__,
                "compute_capabilities": capabilities,
                **({"profile": profile} if profile else {}),
            },
        )

    def snippet(self, model_file: str) -> str:
        return (
            "runtime = tensorrt_rtx.Runtime(tensorrt_rtx.Logger())\n"
            f'engine = runtime.deserialize_cuda_engine(open("{model_file}", "rb").read())\n'
            "context = engine.create_execution_context()  # image: uint8[1, H, W, C] in"
        )


def _compile(
    parsed: nvidia.Network, wanted: Sequence[str], profile: Mapping[str, int] | None
) -> tuple[bytes, list[str]]:
    """An engine for the `wanted` compute capabilities, or all that this version knows; their names.

    profile: the batches that an engine of a dynamic graph takes. Raises ConversionError.
    """
    runtime = parsed.runtime
    known = _known(runtime, wanted)
    config = parsed.builder.create_builder_config()
    config.clear_flag(runtime.BuilderFlag.TF32)
    if profile is not None:
        image = parsed.network.get_input(0)
        shapes = ((profile[size], *tuple(image.shape)[1:]) for size in ("min", "opt", "max"))
        batches = parsed.builder.create_optimization_profile()
        batches.set_shape(image.name, *shapes)
        config.add_optimization_profile(batches)
    config.num_compute_capabilities = len(known)
    accepted = [config.set_compute_capability(v, i) for i, v in enumerate(known.values())]
    engine: Any = None
    if all(accepted):
        engine = parsed.builder.build_serialized_network(parsed.network, config)
    if engine is None:
        raise ConversionError(
            "TensorRT-RTX cannot compile this graph: " + ("; ".join(parsed.log) or "no reason"),
            "export another precision or target, or report this net",
        )
    return bytes(engine), list(known)


def _known(runtime: Any, wanted: Sequence[str]) -> dict[str, Any]:
    """Compute capability -> the runtime's value. Raises UsageError where it knows none of them."""
    known = {
        f"{name[2:-1]}.{name[-1]}": value  # SM120 is 12.0
        for name, value in runtime.ComputeCapability.__members__.items()
        if name.startswith("SM")
    }
    chosen = {name: value for name, value in known.items() if name in wanted}
    if wanted and not chosen:
        raise UsageError(
            f"TensorRT-RTX {runtime.__version__} compiles for {', '.join(known)}, and not for "
            f"compute capability {', '.join(wanted)}",
            "export --target tensorrt, whose engine the device builds",
        )
    return chosen or known


TARGET = TensorRtRtx()
