"""The graph of a strongly typed TensorRT network: fp16, or int8 as Q/DQ over fp16.

Weights carry int8 and a DQ; the inputs of convolutions and products carry Q/DQ; what lies between
is fp16. Biases stay fp16, because TensorRT's parser refuses int32 in a DQ. See NVIDIA's
"Working with Quantized Types": nothing is quantized between a convolution and the addition or the
activation that it fuses with, and the shortcut of a residual block is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgecls.core import Images, Logits, Placement, Quantizing, Remedies, Request, Source
from edgecls.errors import ConversionError
from edgecls.graph import INPUT, OUTPUT, with_batch
from edgecls.quantize import emulation, ladder, ptq
from edgecls.quantize.fp16 import to_fp16

if TYPE_CHECKING:
    import onnx

BATCH = 64
WEIGHTED = ("Conv", "Gemm", "MatMul")
PLACEMENT = Placement(op_types=WEIGHTED, fused=WEIGHTED, bias=False, shortcuts=True)
QUANTIZING = Quantizing(
    Remedies(ranges="histogram", bias_correction="full"), ladder.ONNX, PLACEMENT
)


def graph(
    source: Source, request: Request, tolerance: float
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The graph that `request` asks for, and how near it is to the source's in ONNX Runtime.

    tolerance: see `max_relative_difference`. Raises ConversionError.
    """
    import onnx

    model = _quantized(source, request) if request.scheme else onnx.load(source.onnx())
    with_batch(model, request.batch)
    to_fp16(model)
    details = emulation.check(lambda images: emulate(model, images), source, request, tolerance)
    return model, details


def _quantized(source: Source, request: Request) -> onnx.ModelProto:
    import onnx

    if request.scheme is None or request.calibration is None:
        raise ConversionError("int8 needs a scheme and calibration images")
    trained = source.quantized(request.scheme)
    if trained is not None:
        return onnx.load(trained)
    remedies = request.remedies or QUANTIZING.remedies
    subject = ptq.subject(source.onnx(), request.calibration, remedies)
    return ptq.quantized(subject, request.scheme, PLACEMENT, remedies)


def emulate(model: onnx.ModelProto, images: Images) -> Logits:
    """The logits of an fp16 graph, each tensor rounded to its type, in ONNX Runtime.

    Without its optimizations, which compute the bias scales of fp16 Q/DQ in fp16, where they
    become zero. Raises ConversionError where a tensor overflows fp16 on one of the images.
    """
    import numpy as np
    import onnx
    import onnxruntime

    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output if name and name != OUTPUT]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        opened.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    fixed = session.get_inputs()[0].shape[0]
    step = fixed if isinstance(fixed, int) else BATCH
    parts = []
    for start in range(0, len(images), step):
        values = session.run([OUTPUT, *names], {INPUT: images[start : start + step]})
        _refuse_overflow(model, dict(zip([OUTPUT, *names], values, strict=True)))
        parts.append(values[0])
    logits: Logits = np.concatenate(parts)
    return logits


def _refuse_overflow(model: onnx.ModelProto, values: Mapping[str, Any]) -> None:
    """Raise ConversionError for the first node that makes infinities of finite inputs."""
    import numpy as np

    def finite(name: str) -> bool:
        value = values.get(name)
        return value is None or value.dtype.kind != "f" or bool(np.all(np.isfinite(value)))

    for node in model.graph.node:
        if not all(map(finite, node.output)) and all(map(finite, node.input)):
            raise ConversionError(
                f"{node.op_type} {node.name} overflows fp16, which ends at 65504",
                "export another target in fp32, or train again with more weight decay",
            )
