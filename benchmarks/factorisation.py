"""What low-rank factorisation and weight clustering gain on a CPU runtime, and what they cost.

low-rank: each convolution but the first becomes one of r channels and a 1×1 convolution behind it,
by singular values; r is such that the layer needs `--share` of its multiply-accumulates. Layers
that would not become smaller, depthwise ones among them, stay. clustered: the weights of a layer
take 16 values (k-means), which a runtime would have to look up to gain by it. Both are measured
beside the dense net in ONNX Runtime and OpenVINO, fp32, one thread, interleaved; latency does not
depend on what the weights are. With `--checkpoint` the agreement with the dense net before any
fine-tuning is told too.

    python benchmarks/factorisation.py [--checkpoint DIR …] [--share 0.5] [--rounds 20] [--out FILE]

The last line is one JSON object: by net and way, the ratios to the dense net.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgecls import graph, hardware
from edgecls.device.golden import agreement
from edgecls.device.preprocess import Preprocess
from edgecls.models import checkpoint as checkpoints
from edgecls.models import cost, zoo
from edgecls.models.normalise import Deployable

NETS = ("resnet20", "mobilenet_v2_32")
CLUSTERS, ITERATIONS = 16, 25
QUERIES = 30
Run = Callable[[NDArray[np.uint8]], Any]


@dataclass(frozen=True)
class Subject:
    """A dense net and images for it, uint8[N, H, W, C]."""

    name: str
    net: nn.Module
    preprocess: Preprocess
    images: NDArray[np.uint8]
    is_trained: bool


def subjects(folders: Sequence[Path]) -> list[Subject]:
    """The checkpoints' nets, or without any those of `NETS` with fresh weights."""
    found = []
    for folder in folders:
        loaded = checkpoints.load(folder)
        found.append(
            Subject(
                folder.name,
                checkpoints.module(loaded),
                loaded.preprocess,
                loaded.calibration(),
                True,
            )
        )
    preprocess = Preprocess(size=(32, 32), resize="stretch", mode="RGB")
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    for arch in () if folders else NETS:
        torch.manual_seed(0)
        net = zoo.build(arch, 10, 3, (32, 32)).eval()
        found.append(Subject(arch, net, preprocess, noise, False))
    return found


def low_rank(net: nn.Module, share: float) -> nn.Module:
    """A copy of `net` whose convolutions need about `share` of their multiply-accumulates."""
    net = copy.deepcopy(net)
    convolutions = [(n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    for name, conv in convolutions[1:]:
        columns = conv.weight[0].numel()
        rank = int(share * conv.out_channels * columns / (conv.out_channels + columns))
        if conv.groups == 1 and rank >= 1:
            net.set_submodule(name, _factors(conv, rank))
    return net


def _factors(conv: nn.Conv2d, rank: int) -> nn.Sequential:
    left, values, right = torch.linalg.svd(conv.weight.detach().flatten(1), full_matrices=False)
    first = nn.Conv2d(
        conv.in_channels,
        rank,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        bias=False,
        padding_mode=conv.padding_mode,
    )
    second = nn.Conv2d(rank, conv.out_channels, 1, bias=conv.bias is not None)
    with torch.no_grad():
        first.weight.copy_((values[:rank, None] * right[:rank]).view_as(first.weight))
        second.weight.copy_(left[:, :rank, None, None])
        if conv.bias is not None and second.bias is not None:
            second.bias.copy_(conv.bias)
    return nn.Sequential(first, second)


def clustered(net: nn.Module) -> nn.Module:
    """A copy of `net` with `CLUSTERS` values for the weights of a layer."""
    net = copy.deepcopy(net)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = module.weight.detach().flatten().double().numpy()
            centres = np.quantile(weight, (np.arange(CLUSTERS) + 0.5) / CLUSTERS)
            for _ in range(ITERATIONS):
                nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, weight)
                counts = np.bincount(nearest, minlength=CLUSTERS)
                sums = np.bincount(nearest, weight, CLUSTERS)
                centres = np.sort(np.where(counts, sums / np.maximum(counts, 1), centres))
            nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, weight)
            values = torch.from_numpy(centres[nearest]).to(module.weight.dtype)
            with torch.no_grad():
                module.weight.copy_(values.view_as(module.weight))
    return net


def runtimes(path: Path) -> dict[str, Run]:
    """A graph in each runtime: fp32, one thread."""
    import onnxruntime
    import openvino

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model(
        openvino.convert_model(str(path)),
        "CPU",
        {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"},
    )
    return {
        "onnxruntime": lambda image: session.run(None, {graph.INPUT: image})[0],
        "openvino": lambda image: compiled([image])[0],
    }


def p50_ms(runs: Mapping[tuple[str, str], Run], image: Any, rounds: int) -> dict[Any, float]:
    """(way, runtime) -> the median over interleaved rounds of `QUERIES` each."""
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            run(image)  # brings its weights back into the cache
            for _ in range(QUERIES):
                begin = time.perf_counter()
                run(image)
                taken[key].append(1000 * (time.perf_counter() - begin))
    return {key: float(np.median(values)) for key, values in taken.items()}


def measure(subject: Subject, share: float, rounds: int, scratch: Path) -> dict[str, Any]:
    """way -> what it is beside the dense net."""
    nets = {
        "dense": subject.net,
        "low-rank": low_rank(subject.net, share),
        "clustered": clustered(subject.net),
    }
    shape = (subject.preprocess.channels, *subject.preprocess.size)
    about: dict[str, Any] = {}
    runs: dict[tuple[str, str], Run] = {}
    answers = {}
    for way, net in nets.items():
        path = scratch / f"{subject.name}-{way}.onnx"
        graph.export(Deployable(net, subject.preprocess).eval(), subject.preprocess, path)
        macs, params = cost.count(net, shape)
        raw = path.read_bytes()
        about[way] = {
            "macs": macs,
            "num_params": params,
            "size_bytes": len(raw),
            "deflated_bytes": len(zlib.compress(raw, 9)),
        }
        runs |= {(way, name): run for name, run in runtimes(path).items()}
        answers[way] = graph.run(path, subject.images)
    latency = p50_ms(runs, subject.images[:1], rounds)
    for way, figures in about.items():
        dense = about["dense"]
        figures["macs_ratio"] = round(dense["macs"] / figures["macs"], 3)
        figures["deflated_ratio"] = round(dense["deflated_bytes"] / figures["deflated_bytes"], 3)
        if subject.is_trained:
            figures["agreement"] = agreement(answers[way], answers["dense"])
        for runtime in ("onnxruntime", "openvino"):
            own = latency[way, runtime]
            figures[f"{runtime}_p50_ms"] = round(own, 4)
            figures[f"{runtime}_speedup"] = round(latency["dense", runtime] / own, 3)
    return about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", type=Path, nargs="*", default=[])
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if not 0 < given.share < 1 or given.rounds < 1:
        parser.error("--share is between 0 and 1, --rounds at least 1")
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "share": given.share,
        "rounds": given.rounds,
        "environment": hardware.environment(),
        "versions": hardware.versions(("torch", "onnxruntime", "openvino")),
        "nets": {},
    }
    with tempfile.TemporaryDirectory() as scratch:
        for subject in subjects(given.checkpoint):
            found = measure(subject, given.share, given.rounds, Path(scratch))
            result["nets"][subject.name] = found
            for way, figures in found.items():
                print(subject.name, way, figures)
    text = json.dumps(result)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
