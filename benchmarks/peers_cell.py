"""A peer's model in its own room: answers what a measurement asks of `infer.py --serve`.

    python benchmarks/peers_cell.py FILE CONSTANTS QUERY --serve --threads N
    python benchmarks/peers_cell.py FILE CONSTANTS QUERY --logits IMAGES.npy LOGITS.npy

A query is one uint8[H, W, C] image in memory to its logits. QUERY is ``whole``, with the
preprocessing that a peer leaves to its user, or ``bare``, without it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from peers_numpy import Array, normalised

Call = Callable[[Array], Any]
WINDOWS, STABLE = 10, 0.02


def onnxruntime(path: str, threads: int) -> Call:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


def openvino(path: str, threads: int) -> Call:
    import openvino as ov

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    model = ov.Core().compile_model(path, "CPU", settings)
    return lambda image: model([image])[0]


def loaded(path: str, threads: int) -> Call:
    return (openvino if path.endswith(".xml") else onnxruntime)(path, threads)


def round_of(ask: Callable[[], Any], request: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of each query, at least so many queries and so many seconds, once warm."""
    warm, settled = _warmed(ask, request)
    found: list[float] = []
    begin = time.perf_counter()
    while len(found) < request["queries"] or time.perf_counter() - begin < request["seconds"]:
        found.append(_ms(ask))
    told = {"seconds": time.perf_counter() - begin, "warmup_queries": warm, "settled": settled}
    return {"samples_ms": found, **told, "samples_per_query": 1}


def _warmed(ask: Callable[[], Any], request: dict[str, Any]) -> tuple[int, bool]:
    """As our own harness: queries, then windows of them until two medians are alike, if asked."""
    count = max(1, request["warmup"])
    before = median(_ms(ask) for _ in range(count))
    if not request.get("settle"):
        return count, True
    for number in range(1, WINDOWS + 1):
        after = median(_ms(ask) for _ in range(count))
        if abs(after - before) <= STABLE * before:
            return count * (number + 1), True
        before = after
    return count * (WINDOWS + 1), False


def _ms(ask: Callable[[], Any]) -> float:
    start = time.perf_counter()
    ask()
    return 1e3 * (time.perf_counter() - start)


def serve(ask: Callable[[], Any], load_ms: float, baseline_bytes: int, answers: Any) -> None:
    """Answer a line of JSON each."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer: dict[str, Any] = {"ok": True}
        if request["do"] == "hello":
            answer |= {"about": {}, "pid": os.getpid(), "load_ms": load_ms}
            answer["first_inference_ms"] = _ms(ask)
        elif request["do"] == "round":
            answer |= round_of(ask, request)
        elif request["do"] == "memory":
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            answer |= {"rss_bytes": peak, "baseline_rss_bytes": baseline_bytes}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    # What a runtime prints goes to stderr: stdout holds answers alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    file, constants_file, query, task = sys.argv[1:5]
    constants = json.loads(Path(constants_file).read_text(encoding="utf-8"))
    if task == "--logits":
        call = loaded(file, 0)
        rows = [call(normalised(image, constants))[0].copy() for image in np.load(sys.argv[5])]
        np.save(sys.argv[6], np.asarray(rows, np.float32))
        return
    shape = (*constants["size"], len(constants["mean"]))
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    baseline, begin = resident_bytes(), time.perf_counter()
    call = loaded(file, int(sys.argv[-1]))
    load_ms = 1e3 * (time.perf_counter() - begin)
    ready = normalised(image, constants)

    def whole() -> Any:
        return call(normalised(image, constants))

    def bare() -> Any:
        return call(ready)

    serve({"whole": whole, "bare": bare}[query], load_ms, baseline, answers)


if __name__ == "__main__":
    main()
