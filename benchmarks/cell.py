"""One runtime's own few lines on one file: what `runtimes.py` measures ours against.

Answers the requests of `infer.py --serve` that a measurement makes, and nothing besides. Queries go
through the images of IMAGES (.npy, uint8[N, H, W, C]) in turn, as a bundle's do: the same one again
and again would lie in a cache that the others' do not fit into.

    python benchmarks/cell.py RUNTIME FILE IMAGES --serve --threads N
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Call = Callable[[np.ndarray[Any, Any]], Any]


def onnxruntime(path: str, threads: int) -> Call:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})


def openvino(path: str, threads: int) -> Call:
    import openvino as ov

    core = ov.Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    model = core.compile_model(path, "CPU", settings)
    return lambda image: model([image])


def openvino_f32(path: str, threads: int) -> Call:
    import openvino as ov

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    model = ov.Core().compile_model(path, "CPU", settings)
    return lambda image: model([image])


def litert(path: str, threads: int) -> Call:
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(path, num_threads=threads)
    model.allocate_tensors()
    given = model.get_input_details()[0]["index"]
    taken = model.get_output_details()[0]["index"]

    def call(image: np.ndarray[Any, Any]) -> Any:
        model.set_tensor(given, image)
        model.invoke()
        return model.get_tensor(taken)

    return call


def executorch(path: str, threads: int) -> Call:
    import torch
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    portable_lib._unsafe_reset_threadpool(threads)
    program = Runtime.get().load_program(path)
    method = program.load_method("forward")
    return lambda image: method.execute([torch.from_numpy(image)])[0]


def ncnn(path: str, threads: int) -> Call:
    import ncnn as runtime

    net = runtime.Net()
    net.opt.num_threads = threads
    net.load_param(path)
    net.load_model(path.removesuffix(".param") + ".bin")

    def call(image: np.ndarray[Any, Any]) -> Any:
        planes = np.ascontiguousarray(image[0].transpose(2, 0, 1), np.float32)
        with net.create_extractor() as extractor:
            extractor.input("in0", runtime.Mat(planes))
            return np.array(extractor.extract("out0")[1])

    return call


def pytorch(path: str, threads: int) -> Call:
    """Eager, channels_last. path: a checkpoint's folder."""
    from pathlib import Path

    import torch

    from edgecls.models import checkpoint

    torch.set_num_threads(threads)
    found = checkpoint.load(Path(path))
    net = checkpoint.module(found).eval().to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in _constants(found.preprocess))

    def call(image: np.ndarray[Any, Any]) -> Any:
        with torch.inference_mode():
            return net((torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255 - mean) / std)

    return call


def _constants(preprocess: Any) -> tuple[Any, Any]:
    return preprocess.mean, preprocess.std


def serve(call: Call, images: Sequence[np.ndarray[Any, Any]], load_ms: float) -> None:
    """Answer a line of JSON each."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer: dict[str, Any] = {"ok": True}
        if request["do"] == "hello":
            begin = time.perf_counter()
            call(images[0])
            first_ms = 1e3 * (time.perf_counter() - begin)
            answer |= {"about": {}, "pid": os.getpid()}
            answer |= {"load_ms": load_ms, "first_inference_ms": first_ms}
        elif request["do"] == "round":
            answer["samples_ms"] = samples(call, images, request)
        elif request["do"] == "memory":
            answer["rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        OURS.write(json.dumps(answer) + "\n")
        OURS.flush()


def samples(
    call: Call, images: Sequence[np.ndarray[Any, Any]], request: dict[str, Any]
) -> list[float]:
    """Milliseconds of each query, at least so many queries and so many seconds."""
    for _ in range(request["warmup"]):
        call(images[0])
    found: list[float] = []
    begin = time.perf_counter()
    while len(found) < request["queries"] or time.perf_counter() - begin < request["seconds"]:
        image = images[len(found) % len(images)]
        start = time.perf_counter()
        call(image)
        found.append(1e3 * (time.perf_counter() - start))
    return found


RUNTIMES = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "openvino-f32": openvino_f32,
    "litert": litert,
    "executorch": executorch,
    "ncnn": ncnn,
    "pytorch": pytorch,
}

if __name__ == "__main__":
    # What a runtime prints goes to stderr: stdout holds answers alone.
    OURS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    kind, file, threads = sys.argv[1], sys.argv[2], int(sys.argv[-1])
    pictures = [np.ascontiguousarray(image[None]) for image in np.load(sys.argv[3])]
    before = time.perf_counter()
    loaded = RUNTIMES[kind](file, threads)
    serve(loaded, pictures, 1e3 * (time.perf_counter() - before))
