"""ncnn on phones and small computers: ``.param`` and ``.bin`` in fp32, fp16 and int8.

Converted from the net itself by pnnx. ncnn has no uint8 tensors: the kit normalises in float32,
by ncnn's own ``substract_mean_normalize`` with the constants of `Preprocess`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.quantize import ladder

if TYPE_CHECKING:
    from torch import fx

    from edgecls.quantize.ncnn.converting import Net

EXTRA = "ncnn"
CONVERTER, RUNTIME = "pnnx", "ncnn"


class Ncnn:
    name = "ncnn"
    title = "ncnn (CPU)"
    version = 1
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    kit = "ncnn"
    requirements = ("ncnn>=1.0.20240410",)
    packages = (CONVERTER, RUNTIME, "torch")
    host_only = False
    hardware: str | None = "arm64"
    dynamic_batch = False
    # It multiplies int8 by int8 within ±127: two products fit in 16 bits.
    overflow_free: tuple[str, ...] = ("int8",)
    quantizing = Quantizing(Remedies(ranges="histogram", bias_correction="fast"), ladder.ONNX)

    def availability(self) -> Availability:
        convert, run = _outcome(CONVERTER), _outcome(RUNTIME)
        return Availability(convert=convert, compile=convert, run=run)

    def scheme(self, machine: Hardware) -> Scheme:
        return Scheme(
            "int8",
            symmetric_activations=True,
            reason="ncnn's int8 is symmetric, weights per channel, on every machine",
        )

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        if not hardware.package_version(CONVERTER):
            raise MissingDependency(CONVERTER, EXTRA)
        if request.batch != 1:
            raise UsageError("ncnn takes one image at a time", "leave out --batch")
        from edgecls.quantize.ncnn import param

        net, details = _net(source, request)
        (out / "model.ncnn.param").write_text(param.text(net.layers), encoding="utf-8")
        (out / "model.ncnn.bin").write_bytes(net.weights)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=("model.ncnn.param", "model.ncnn.bin"),
            compiled=DONE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
            details={"operators": param.histogram(net.layers), **details},
        )

    def snippet(self, model_file: str) -> str:
        weights = model_file.removesuffix(".param") + ".bin"
        return (
            f'net = ncnn.Net()\nnet.load_param("{model_file}")\nnet.load_model("{weights}")\n'
            "mat = ncnn.Mat.from_pixels(pixels, ncnn.Mat.PixelType.PIXEL_RGB, width, height)\n"
            "mat.substract_mean_normalize(mean, norm)  # 255·mean and 1/(255·std) of meta.json\n"
            "extractor = net.create_extractor()\n"
            'extractor.input("in0", mat)\n'
            'status, logits = extractor.extract("out0")'
        )


def _net(source: Source, request: Request) -> tuple[Net, dict[str, Any]]:
    """ncnn's form of the net in the precision that is asked for, and what there is to say."""
    from edgecls.quantize.ncnn import converting, integers, writing
    from edgecls.quantize.program import capture

    shape = source.preprocess.input_shape
    if request.scheme is None:
        half = request.precision == "fp16"
        graph = capture.captured(source.module(), shape)
        return converting.converted(graph, shape, half), _about(request.precision)
    layers, graph = integers.taken(_int8_graph(source, request, request.scheme))
    return writing.quantized(converting.converted(graph, shape), layers), {}


def _int8_graph(source: Source, request: Request, scheme: Scheme) -> fx.GraphModule:
    from edgecls.quantize.program import ptq, trained

    if request.calibration is None:
        raise ConversionError("int8 needs calibration images", "give some, or export fp32")
    shape = source.preprocess.input_shape
    net = source.quantized_module(scheme)
    if net is not None:
        return trained.quantized(net, shape, scheme, request.calibration)
    remedies = request.remedies or Ncnn.quantizing.remedies
    return ptq.quantized(source.module(), shape, scheme, request.calibration, remedies)


def _about(precision: Precision) -> dict[str, Any]:
    if precision != "fp16":
        return {}
    return {
        "computed_in": "float16 where the CPU has it (ARMv8.2); elsewhere float32, and float16 is "
        "how the weights are stored"
    }


def _outcome(package: str) -> Outcome:
    if hardware.package_version(package):
        return DONE
    error = MissingDependency(package, EXTRA)
    return Outcome("skipped", error.cause, error.fix)


TARGET = Ncnn()
