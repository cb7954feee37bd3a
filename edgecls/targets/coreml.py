"""Core ML on iPhone, iPad and Mac: an ``.mlpackage`` that takes an image.

It is converted on any system, and runs on Apple's alone: what can be proven elsewhere is what the
package says, operator for operator. int8 has int8 activations too (iOS 17, macOS 14).
"""

from __future__ import annotations

import platform
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

EXTRA, PACKAGE = "coreml", "coremltools"
MODEL = "model.mlpackage"
SYSTEM = "Darwin"
NUM_CHECKED = 8
ON_THE_DEVICE = Outcome(
    "skipped", "Core ML compiles a package on the device that loads it", "nothing to do"
)


class CoreMl:
    name = "coreml"
    title = "Core ML (iPhone, iPad, Mac)"
    version = 1
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8", "int8-weights")
    kit = "coreml"
    requirements = ("coremltools>=8.0,<10",)
    packages = (PACKAGE, "torch")
    host_only = False
    hardware: str | None = "arm64"
    dynamic_batch = False
    quantizing = Quantizing(Remedies(ranges="histogram", bias_correction="fast"), ladder.ONNX)

    def availability(self) -> Availability:
        convert = DONE
        if not hardware.package_version(PACKAGE):
            error = MissingDependency(PACKAGE, EXTRA)
            convert = Outcome("skipped", error.cause, error.fix)
        run = convert if platform.system() == SYSTEM else _elsewhere()
        return Availability(convert=convert, compile=run, run=run)

    def scheme(self, machine: Hardware) -> Scheme:
        return Scheme(
            "int8",
            symmetric_activations=True,
            reason="Core ML's int8 is symmetric, weights per channel, on every device",
        )

    def convert(self, source: Source, request: Request, out: Path) -> Artifact:
        if not hardware.package_version(PACKAGE):
            raise MissingDependency(PACKAGE, EXTRA)
        if request.batch != 1:
            raise UsageError("Core ML takes one image at a time", "leave out --batch")
        from edgecls.quantize.coreml import converting, package

        model = converting.converted(_graph(source, request), source.preprocess, request.precision)
        files = package.write(model, out / MODEL)
        package.check(out / MODEL, source.preprocess, source.num_classes)
        return Artifact(
            target=self.name,
            precision=request.precision,
            folder=out,
            files=tuple(f"{MODEL}/{name}" for name in files),
            compiled=ON_THE_DEVICE,
            scheme=request.scheme,
            versions=hardware.versions(self.packages),
            details={
                "minimum_deployment_target": converting.deployment_target(request.precision),
                "operators": package.histogram(out / MODEL),
                **_checked(source, request, out / MODEL),
            },
        )

    def snippet(self, model_file: str) -> str:
        name = model_file.partition("/")[0]
        return (
            f'model = coremltools.models.MLModel("{name}")  # on a Mac\n'
            'logits = model.predict({"image": PIL.Image.fromarray(pixels)})["logits"]'
        )


def _graph(source: Source, request: Request) -> fx.GraphModule:
    from edgecls.quantize.program import capture, ptq, trained

    shape = source.preprocess.input_shape
    if request.scheme is None:
        return capture.captured(source.module(), shape)
    if request.calibration is None:
        raise ConversionError("int8 needs calibration images", "give some, or export fp16")
    net = source.quantized_module(request.scheme)
    if net is not None:
        return trained.quantized(net, shape, request.scheme, request.calibration)
    remedies = request.remedies or CoreMl.quantizing.remedies
    return ptq.quantized(source.module(), shape, request.scheme, request.calibration, remedies)


def _checked(source: Source, request: Request, package: Path) -> dict[str, Any]:
    """What the package's own files answer, beside the source. Raises ConversionError."""
    import numpy as np

    from edgecls.bundle import SOURCE_TOLERANCE
    from edgecls.device.golden import agreement, max_relative_difference
    from edgecls.quantize.coreml import answers

    images = request.calibration
    if images is None or not len(images):
        shape = (NUM_CHECKED, *source.preprocess.input_shape[1:])
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    images = images[:NUM_CHECKED]
    try:
        found = answers.logits(package, images)
    except (answers.NotKnown, NotImplementedError) as error:
        return {"not_emulated": f"the check here does not know Core ML's operator: {error}"}
    expected = source.logits(images)
    difference = max_relative_difference(found, expected)
    if not difference <= SOURCE_TOLERANCE[request.precision]:
        raise ConversionError(
            f"the {request.precision} package's logits differ from the source's by "
            f"{difference:.3g} of their standard deviation, more than "
            f"{SOURCE_TOLERANCE[request.precision]:g}",
            "export another precision, or report this net",
        )
    return {
        "emulated": "the package's operators in float32 on the exporting host's CPU: a check of "
        "the conversion, not of the device",
        "emulated_num_images": len(images),
        "emulated_max_rel_logit_diff": float(f"{difference:.2g}"),
        "emulated_top1_agreement": agreement(found, expected),
    }


def _elsewhere() -> Outcome:
    return Outcome(
        "skipped",
        "Core ML runs on Apple's systems alone",
        "copy the bundle to a Mac and run there: python3 infer.py --verify",
    )


TARGET = CoreMl()
