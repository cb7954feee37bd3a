"""The check of a graph that this machine cannot run as its device will: on the CPU, in float.

It proves the graph, and measures nothing of the device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecls.core import Images, Logits, Request, Source
from edgecls.device.golden import agreement, max_relative_difference
from edgecls.errors import ConversionError
from edgecls.graph import TRAINED_TOLERANCE, run

LEAST_IMAGES = 8


def check(
    answer: Callable[[Images], Logits], source: Source, request: Request, tolerance: float
) -> dict[str, Any]:
    """What meta.json says of `answer`, the converted model's logits, beside the source's own.

    On calibration images, or on noise where there are none. tolerance: see
    `max_relative_difference`. Raises ConversionError where the difference is larger.
    """
    import numpy as np

    pool = request.calibration
    if pool is None or not len(pool):
        shape = (LEAST_IMAGES, *source.preprocess.input_shape[1:])
        pool = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    batch = 1 if request.batch == "dynamic" else request.batch
    count = -(-LEAST_IMAGES // batch) * batch
    images = pool[np.arange(count) % len(pool)]
    logits = answer(images)
    trained = request.scheme is not None and source.quantized(request.scheme) is not None
    if trained:
        reference, tolerance = source.logits(images), min(tolerance, TRAINED_TOLERANCE)
    else:
        reference = run(source.onnx(), images)
    difference = max_relative_difference(logits, reference)
    if not difference <= tolerance:
        raise ConversionError(
            f"the {request.precision} graph's logits differ from the source's by {difference:.3g} "
            f"of their standard deviation, more than {tolerance:g}",
            "export another precision, or report this net",
        )
    return {
        "emulated": "the graph on the exporting host's CPU: a check of the graph, not a "
        "measurement of the device",
        "emulated_num_images": count,
        "emulated_max_rel_logit_diff": float(f"{difference:.2g}"),
        "emulated_top1_agreement": agreement(logits, reference),
    }
