"""LiteRT on phones and small computers: ``.tflite`` in fp32, fp16 weights, and int8.

Converted from the net itself through ``torch.export``: NHWC as the image comes. XNNPACK computes it
on the CPU; the same file is what the GPU's and the NPU's delegates take.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

EXTRA = "litert"
CONVERTERS = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert")
RUNTIMES = ("ai-edge-litert", "tflite-runtime")


class LiteRt:
    name = "litert"
    title = "LiteRT (TensorFlow Lite) on the CPU"
    version = 1
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weights")
    kit = "litert"
    # Python 3.8 and 3.9 have its predecessor alone, which has the same interpreter.
    requirements = (
        'ai-edge-litert>=2.0,<3; python_version >= "3.10"',
        'tflite-runtime>=2.13; python_version < "3.10"',
        'numpy<2; python_version < "3.10"',  # that was built with 1.x, and cannot load beside 2
    )
    packages = (*CONVERTERS, "torch")
    host_only = False
    hardware: str | None = "arm64"
    dynamic_batch = False
    quantizing = Quantizing(Remedies(ranges="histogram", bias_correction="fast"), ladder.ONNX)

    def availability(self) -> Availability:
        convert, run = _outcome(_missing(CONVERTERS)), DONE
        if not any(hardware.package_version(name) for name in RUNTIMES):
            run = _outcome(RUNTIMES[0])
        return Availability(convert=convert, compile=convert, run=run)

    def scheme(self, machine: Hardware) -> Scheme:
        return Scheme(
            "int8",
            symmetric_activations=False,
            reason="LiteRT's int8 is symmetric weights per channel and activations with a zero "
            "point, on every machine",
        )

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        if missing := _missing(CONVERTERS):
            raise MissingDependency(missing, EXTRA)
        from edgecls.quantize.tflite import model

        data = _model(source, request)
        transposes = model.transposed_between_convolutions(data)
        if transposes:
            raise ConversionError(
                f"litert-torch left {transposes} changes of layout between convolutions, which "
                "would cost more than the convolutions",
                "choose another target, and report this net",
            )
        path = out / "model.tflite"
        path.write_bytes(data)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=(path.name,),
            compiled=DONE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
            details={"operators": model.histogram(data), **_about(request.precision)},
        )

    def snippet(self, model_file: str) -> str:
        return (
            f'interpreter = Interpreter("{model_file}")  # of ai_edge_litert.interpreter\n'
            "interpreter.allocate_tensors()\n"
            'run = interpreter.get_signature_runner("serving_default")\n'
            'logits = run(args_0=pixels)["output_0"]  # uint8[1, H, W, C] in'
        )


def _model(source: Source, request: Request) -> bytes:
    """The flatbuffer in the precision that is asked for."""
    from edgecls.quantize.program import ptq, trained
    from edgecls.quantize.tflite import converting

    assert request.batch != "dynamic"
    shape = (request.batch, *source.preprocess.input_shape[1:])
    if request.scheme is None:
        return converting.converted(source.module(), shape, request.precision)
    if request.calibration is None:
        raise ConversionError("int8 needs calibration images", "give some, or export fp32")
    net = source.quantized_module(request.scheme)
    if net is not None:
        graph = trained.quantized(net, shape, request.scheme, request.calibration)
    else:
        remedies = request.remedies or LiteRt.quantizing.remedies
        graph = ptq.quantized(source.module(), shape, request.scheme, request.calibration, remedies)
    return converting.quantized(graph, shape)


def _about(precision: Precision) -> dict[str, Any]:
    if precision != "fp16":
        return {}
    return {"computed_in": "float32 on a CPU: float16 is how the weights are stored"}


def _missing(packages: tuple[str, ...]) -> str:
    """The first package that is not installed, or the empty string."""
    return next((name for name in packages if not hardware.package_version(name)), "")


def _outcome(missing: str) -> Outcome:
    if not missing:
        return DONE
    error = MissingDependency(missing, EXTRA)
    return Outcome("skipped", error.cause, error.fix)


TARGET = LiteRt()
