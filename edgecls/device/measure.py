"""What a query of each phase is, and figures from samples of them.

A query is asked by its number, and images are taken in turn; when queries come is the subject of
`scenarios`. Raw samples leave the process; whoever asked computes percentiles from them with
`stats`. The phases:

- ``inference``: tensors in memory to logits
- ``decode``: an encoded image in memory to its pixels, upright and in the model's colours
- ``preprocess``: decoded pixels to a tensor: resize and crop
- ``postprocess``: logits of an image to probabilities, the best class and its label
- ``end_to_end``: an encoded image in memory to all that
"""

import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from .batches import at_once
from .meta import Meta
from .preprocess import decode, to_rgb
from .stats import MIN_QUERIES, percentile, percentile_upper_bound

# Of decoded images that wait for their turn, so that they do not make the peak of the memory.
MOST_DECODED_BYTES = 1 << 24

Ask = Callable[[int], object]


def probabilities(logits: "np.ndarray[Any, Any]", temperature: float) -> "np.ndarray[Any, Any]":
    """softmax(logits / temperature) along the last axis, float64[N, K]."""
    scaled = logits.astype(np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def answer(logits: "np.ndarray[Any, Any]", meta: Meta) -> Tuple[str, "np.ndarray[Any, Any]"]:
    """The label of the likeliest class of one image, and the probabilities of all."""
    shares = probabilities(logits, meta.postprocess.temperature)[0]
    return meta.labels[int(np.argmax(shares))], shares


def query(
    phase: str,
    runner: Any,
    meta: Meta,
    tensors: "np.ndarray[Any, Any]",
    files: Sequence[bytes],
    samples: Optional[int] = None,
) -> Ask:
    """One query of a phase as a function of its number.

    samples: how many images an inference is of; as many as the model takes at once where None.
    """
    if phase == "inference":
        return _inference(runner, tensors, samples or at_once(runner))
    if phase == "preprocess":
        return _preprocess(meta, files)
    if phase == "postprocess":
        logits = [runner.run(tensors[i : i + 1]) for i in range(len(tensors))]
        return lambda index: answer(logits[index % len(logits)], meta)
    if phase == "decode":
        return lambda index: _decoded(files[index % len(files)], meta)

    def end_to_end(index: int) -> object:
        image = meta.preprocess.load(files[index % len(files)])
        return answer(runner.run(image[None]), meta)

    return end_to_end


def _inference(runner: Any, tensors: "np.ndarray[Any, Any]", size: int) -> Ask:
    count = len(tensors)
    # Each starts with another image; more of them than images would only repeat. They share their
    # images: copies of a large query would be taken for the model's memory.
    ring = np.ascontiguousarray(tensors[np.arange(count + size - 1) % count])
    batches = [ring[i : i + size] for i in range(count)]
    run = runner.run
    return lambda index: run(batches[index % count])


def _preprocess(meta: Meta, files: Sequence[bytes]) -> Ask:
    images: List[Any] = []
    held = 0
    for data in files:
        image = _decoded(data, meta)
        held += image.width * image.height * len(image.getbands())
        if images and held > MOST_DECODED_BYTES:
            break
        images.append(image)
    return lambda index: meta.preprocess(images[index % len(images)])


def _decoded(data: bytes, meta: Meta) -> Any:
    """Pixels that `Preprocess` has only to resize."""
    how = meta.preprocess
    return to_rgb(decode(data, how.exif), "L" if how.mode == "L" else "RGB")


def summary(samples: Sequence[float]) -> Dict[str, Any]:
    """Percentiles with their 0.99-confidence upper bounds, in milliseconds, and the throughput."""
    ordered = sorted(samples)
    result: Dict[str, Any] = {"num_queries": len(ordered)}
    for percent in MIN_QUERIES:
        name = "latency_p{}_ms".format(percent)
        result[name] = percentile(ordered, percent)
        bound = percentile_upper_bound(ordered, percent)
        result[name + "_bound"] = bound if np.isfinite(bound) else None
    result["throughput_per_s"] = 1e3 * len(ordered) / sum(ordered)
    return result


def timed(call: Callable[[], Any]) -> Tuple[Any, float]:
    """A call's result and its milliseconds."""
    begin = time.perf_counter_ns()
    result = call()
    return result, (time.perf_counter_ns() - begin) / 1e6
