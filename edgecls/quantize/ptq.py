"""Static post-training quantization of a canonical graph to QDQ form, with ONNX Runtime's tool.

Weights are symmetric int8 per output channel; activations are what the `Scheme` says, with ranges
from the minima and maxima over the calibration images. Normalisation stays in float.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecls.core import Images, Scheme
from edgecls.errors import ConversionError
from edgecls.graph import INPUT, errors, normal_form, normalisation_nodes

CALIBRATION_BATCH = 32


class _Batches:
    """ONNX Runtime's CalibrationDataReader over an array."""

    def __init__(self, images: Images) -> None:
        self._left = iter(
            [images[i : i + CALIBRATION_BATCH] for i in range(0, len(images), CALIBRATION_BATCH)]
        )

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._left, None)
        return None if batch is None else {INPUT: batch}


def quantize(
    graph: Path,
    scheme: Scheme,
    calibration: Images,
    out: Path,
    *,
    op_types: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write the quantized graph of `graph`, batch still dynamic, to `out`.

    calibration: uint8[N, H, W, C]. op_types: the operators to quantize (default: all that the tool
    knows); options: more of its ``extra_options``. Raises ConversionError.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not len(calibration):
        raise ConversionError(
            "int8 needs calibration images, and there are none", "train it again with some"
        )
    activation = QuantType.QUInt8 if scheme.activation == "uint8" else QuantType.QInt8
    refusals: tuple[type[Exception], ...] = (RuntimeError, ValueError, KeyError, *errors())
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        inferred = Path(scratch) / "inferred.onnx"
        try:
            quant_pre_process(str(graph), str(inferred), skip_symbolic_shape=True)
            quantize_static(
                str(inferred),
                str(out),
                _Batches(calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=scheme.per_channel,
                reduce_range=scheme.reduce_range,
                activation_type=activation,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(op_types) if op_types else None,
                nodes_to_exclude=normalisation_nodes(onnx.load(inferred)),
                extra_options={
                    "ActivationSymmetric": scheme.symmetric_activations,
                    "WeightSymmetric": True,
                    **(options or {}),
                },
            )
        except refusals as error:
            raise ConversionError(
                f"ONNX Runtime cannot quantize this graph: {error}", "export fp32, or another net"
            ) from error
    model = onnx.load(out)
    normal_form(model)
    onnx.save(model, out)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the tool's advice to do what was just done."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
