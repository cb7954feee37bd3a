"""Timing of single-stream queries, in the process that runs the model.

A query starts when the last one ended (MLPerf's single stream). Raw samples leave the process;
whoever asked computes percentiles from them with `stats`.
"""

import time
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np

from .batches import at_once
from .meta import Meta
from .stats import MIN_QUERIES, percentile, percentile_upper_bound

PHASES = ("inference", "preprocess", "end_to_end")


def probabilities(logits: "np.ndarray[Any, Any]", temperature: float) -> "np.ndarray[Any, Any]":
    """softmax(logits / temperature) along the last axis, float64[N, K]."""
    scaled = logits.astype(np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def query(
    phase: str, runner: Any, meta: Meta, tensors: "np.ndarray[Any, Any]", files: Sequence[bytes]
) -> Callable[[int], object]:
    """One query of a phase as a function of its index; images are taken in turn.

    inference: tensor in memory to logits, as many images as the model takes at once. preprocess:
    encoded image in memory to tensor. end_to_end: encoded image in memory to probabilities.
    """
    size, count = at_once(runner), len(tensors)
    batches = [np.ascontiguousarray(tensors[np.arange(i, i + size) % count]) for i in range(count)]
    if phase == "inference":
        return lambda index: runner.run(batches[index % count])
    if phase == "preprocess":
        return lambda index: meta.preprocess.load(files[index % len(files)])

    def end_to_end(index: int) -> object:
        image = meta.preprocess.load(files[index % len(files)])
        return probabilities(runner.run(image[None]), meta.postprocess.temperature)

    return end_to_end


def sample(
    ask: Callable[[int], object], seconds: float, queries: int, warmup: int = 0
) -> List[float]:
    """Milliseconds of each query, until both `seconds` and the number of `queries` are reached."""
    for index in range(warmup):
        ask(index)
    samples: List[float] = []
    clock = time.perf_counter_ns
    deadline = clock() + int(seconds * 1e9)
    index = 0
    while True:
        begin = clock()
        ask(index)
        end = clock()
        samples.append((end - begin) / 1e6)
        index += 1
        if index >= queries and end >= deadline:
            return samples


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
