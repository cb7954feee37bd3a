"""The proof that a bundle carries: golden images, their tensors, and the logits they must give.

Layout of ``golden/``: ``000.png`` … (original images), ``inputs.npy`` uint8[N, H, W, C],
``source_logits.npy`` float32[N, K], and ``artifact_logits.npy`` where the exporting host could
run the artifact.
"""

import os
from typing import Any, Dict, List, Optional

import numpy as np

from .errors import EdgeclsError
from .meta import Meta

FOLDER = "golden"
INPUTS = "golden/inputs.npy"
SOURCE = "golden/source_logits.npy"
ARTIFACT = "golden/artifact_logits.npy"


def image_paths(folder: str, meta: Meta) -> List[str]:
    """The golden images' paths, in the order of the tensors."""
    return [
        os.path.join(folder, FOLDER, "{:03d}.png".format(index))
        for index in range(meta.golden.count)
    ]


def load_array(path: str) -> "np.ndarray[Any, Any]":
    """A .npy file's array; never unpickles. Raises EdgeclsError."""
    try:
        with open(path, "rb") as stream:
            # Not np.load: that opens archives and pickles as well.
            return np.lib.format.read_array(stream, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise EdgeclsError("{} cannot be read: {}".format(path, error)) from error


def inputs(folder: str, meta: Meta) -> "np.ndarray[Any, Any]":
    """The golden tensors, uint8[N, H, W, C]; raises EdgeclsError where their shape is another."""
    images = load_array(os.path.join(folder, INPUTS))
    if images.dtype != np.uint8 or images.shape[1:] != meta.input_shape[1:] or not len(images):
        raise EdgeclsError(
            "golden/inputs.npy is {}{}, not uint8[N, {}, {}, {}]".format(
                images.dtype, list(images.shape), *meta.input_shape[1:]
            )
        )
    return images


def max_relative_difference(
    logits: "np.ndarray[Any, Any]", reference: "np.ndarray[Any, Any]"
) -> float:
    """The largest absolute difference over the standard deviation of all reference logits.

    Infinite where shapes differ or a logit is not finite, so that no comparison passes by a NaN.
    """
    if logits.shape != reference.shape or not np.all(np.isfinite(logits)):
        return float("inf")
    spread = float(np.std(reference)) or 1.0
    return float(np.max(np.abs(logits.astype(np.float64) - reference)) / spread)


def agreement(logits: "np.ndarray[Any, Any]", reference: "np.ndarray[Any, Any]") -> float:
    """The share of images whose highest logit is the same class, 0..1."""
    if logits.shape != reference.shape:
        return 0.0
    return float(np.mean(np.argmax(logits, axis=1) == np.argmax(reference, axis=1)))


def verify(folder: str, meta: Meta, runner: Any) -> Dict[str, Any]:
    """Decode, run and compare the golden images; ``ok`` says whether every comparison holds.

    runner: has ``run(uint8[N, H, W, C]) -> float32[N, K]``.
    """
    tensors = inputs(folder, meta)
    decoded = np.stack([meta.preprocess.load(path) for path in image_paths(folder, meta)])
    logits = runner.run(tensors)
    result: Dict[str, Any] = {
        "num_images": len(tensors),
        "preprocess_equal": bool(np.array_equal(decoded, tensors)),
    }
    holds = result["preprocess_equal"]
    for name, path, tolerance in (
        ("source", SOURCE, meta.golden.source),
        ("artifact", ARTIFACT, meta.golden.artifact),
    ):
        holds = _compare(result, name, os.path.join(folder, path), tolerance, logits) and holds
    result["ok"] = bool(holds)
    return result


def _compare(
    result: Dict[str, Any],
    name: str,
    path: str,
    tolerance: Optional[float],
    logits: "np.ndarray[Any, Any]",
) -> bool:
    if tolerance is None:
        return True
    reference = load_array(path)
    difference = max_relative_difference(logits, reference)
    result[name + "_max_rel_logit_diff"] = difference if np.isfinite(difference) else None
    result[name + "_tolerance"] = tolerance
    result[name + "_top1_agreement"] = agreement(logits, reference)
    return difference <= tolerance
