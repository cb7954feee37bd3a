"""Our best row against the best of the runtimes' own APIs, measured in one run, in turns.

For every net all bundles that run here are exported and measured by `edgecls bench`'s protocol;
between them, round by round, stand the same nets as one would run them by hand (`cell.py`): each
runtime's own calls on the same graph that takes uint8, ONNX Runtime's own static quantization in
its three schemes, NNCF's default, and PyTorch. Two claims:

- the best row is at least as fast as the best of those (ratio of the medians at least 0.97);
- no int8 row is slower than the best int8 of its runtime by more than 5 %.

    python benchmarks/runtimes.py --out FOLDER [--rounds 6] [NET@SIZE@THREADS …]

The nets have random weights. What was exported is kept in FOLDER. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import random_net

from edgecls import hardware, targets
from edgecls.bench.protocol import Protocol, measure
from edgecls.device import golden
from edgecls.device.meta import Meta
from edgecls.errors import EdgeclsError
from edgecls.models import checkpoint
from edgecls.pipeline.single import export
from edgecls.remote.host import Host, Process
from edgecls.remote.local import HERE, LocalHost, started

NETS = ("resnet8@32@1", "mobilenet_v2@224@2", "mobilenet_v3_small@224@2", "resnet18@224@2")
TARGETS = ("onnxruntime", "openvino", "litert", "executorch", "ncnn")
FASTEST, INT8 = 0.97, 1.05
# What runs in a runtime by its own API as it is, besides what is quantized by hand.
FILES = {"litert": ".tflite", "executorch": ".pte", "ncnn": ".param"}


@dataclass(frozen=True)
class Cell(LocalHost):
    """A host that runs a few lines on a file instead of the bundle that it is given."""

    runtime: str
    file: Path
    decodes = False

    def start(self, bundle: Path, meta: Meta, threads: int) -> Process:
        script, images = Path(__file__).with_name("cell.py"), bundle / golden.INPUTS
        files = [str(path.resolve()) for path in (script, self.file, images)]
        command = [sys.executable, files[0], self.runtime, *files[1:]]
        return started([*command, "--serve", "--threads", str(threads)])


def bundles(source: Path, out: Path) -> dict[str, Path]:
    """``target precision`` -> bundle, of all that convert and run here."""
    found = {}
    for name in TARGETS:
        for precision in targets.get(name).precisions:
            folder = out / f"{name}-{precision}"
            if not folder.exists():
                try:
                    export(source, name, precision, folder, force=False)
                except EdgeclsError as error:
                    print(f"{name} {precision}: {error.cause}", flush=True)
                    continue
            found[f"{name} {precision}"] = folder
    return found


def cells(source: Path, made: Mapping[str, Path], out: Path) -> Iterator[tuple[str, str, Path]]:
    """Name, runtime and file of all that is measured by the runtimes' own APIs."""
    graph = next(made["onnxruntime fp32"].glob("*.onnx"))
    yield "pytorch fp32", "pytorch", source
    yield "onnxruntime fp32", "onnxruntime", graph
    yield "openvino fp32", "openvino-f32", graph
    yield "openvino as it comes", "openvino", graph
    for scheme, file in by_hand(source, graph, out).items():
        yield f"{scheme}", scheme.split()[0], file
    for runtime, suffix in FILES.items():
        for name, bundle in made.items():
            if name.split()[0] == runtime:
                yield name, runtime, next(bundle.glob(f"*{suffix}"))


def by_hand(source: Path, graph: Path, out: Path) -> dict[str, Path]:
    """The graph in int8, by the quantizers of ONNX Runtime and OpenVINO themselves."""
    images = checkpoint.load(source).calibration()
    makers: dict[str, Callable[[Path], None]] = {
        "onnxruntime int8 u8s8 reduce_range": lambda to: static(graph, images, to, "u8s8", True),
        "onnxruntime int8 u8s8": lambda to: static(graph, images, to, "u8s8", False),
        "onnxruntime int8 u8u8": lambda to: static(graph, images, to, "u8u8", False),
        "onnxruntime int8 s8s8": lambda to: static(graph, images, to, "s8s8", False),
        "openvino int8 nncf": lambda to: nncf(graph, images, to),
    }
    found = {}
    for name, make in makers.items():
        folder = out / "by-hand" / name.replace(" ", "-")
        file = folder / ("model.xml" if "openvino" in name else "model.onnx")
        if not file.exists():
            part = folder.with_name(folder.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            make(part / file.name)
            part.rename(folder)
        found[name] = file
    return found


def static(
    graph: Path, images: np.ndarray[Any, Any], to: Path, scheme: str, reduce_range: bool
) -> None:
    """ONNX Runtime's static quantization, per channel."""
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(images[:64])

        def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
            image = next(self.left, None)
            return None if image is None else {name: image[None]}

    name = onnx.load(graph, load_external_data=False).graph.input[0].name
    kinds = {"u": QuantType.QUInt8, "s": QuantType.QInt8}
    quantize_static(
        str(graph),
        str(to),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=reduce_range,
        activation_type=kinds[scheme[0]],
        weight_type=kinds[scheme[2]],
    )


def nncf(graph: Path, images: np.ndarray[Any, Any], to: Path) -> None:
    """NNCF's post-training quantization as it comes."""
    import openvino as ov
    from nncf import Dataset, quantize

    model = quantize(ov.convert_model(graph), Dataset([image[None] for image in images[:64]]))
    ov.save_model(model, to, compress_to_fp16=False)


def net(text: str, out: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All of one net. text: its name, size and threads."""
    arch, size, threads = text.split("@")
    source = random_net.checkpoint_of(arch, int(size), out)
    made = bundles(source, out / f"{arch}-bundles")
    places: list[tuple[Path, Host]] = [(bundle, HERE) for bundle in made.values()]
    names = [("ours", name) for name in made]
    for name, runtime, file in cells(source, made, out / f"{arch}-bundles"):
        places.append((made["onnxruntime fp32"], Cell(runtime, file)))
        names.append(("cell", name))
    protocol = Protocol(int(threads), given.launches, given.rounds, given.queries, given.seconds)
    p50: dict[str, dict[str, float]] = {"ours": {}, "cell": {}}
    for (kind, name), samples in zip(names, measure(places, protocol), strict=True):
        if samples.error:
            print(f"{arch} {kind} {name}: {samples.error}", flush=True)
            continue
        p50[kind][name] = round(median(samples.latency_ms), 4)
        print(f"{arch} {kind} {name}: {p50[kind][name]} ms", flush=True)
    return {"net": text, **verdict(p50["ours"], p50["cell"]), "p50_ms": p50}


def verdict(ours: Mapping[str, float], by_api: Mapping[str, float]) -> dict[str, Any]:
    """The best of both, and each int8 row beside the best int8 of its runtime."""
    best, cell = min(ours, key=lambda n: ours[n]), min(by_api, key=lambda n: by_api[n])
    int8 = {}
    for name, ms in ours.items():
        runtime, precision = name.split(" ", 1)
        # Not int8-weights and int8-dynamic, which compute in float in part: they are other rows.
        peers = [v for n, v in by_api.items() if f"{n} ".startswith(f"{runtime} int8 ")]
        if precision == "int8" and peers:
            int8[runtime] = round(ms / min(peers), 3)
    return {
        "best_row": best,
        "best_cell": cell,
        "ratio": round(by_api[cell] / ours[best], 3),
        "int8_over_best_scheme": int8,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--launches", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--queries", type=int, default=240)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("nets", nargs="*", default=NETS, metavar="NET@SIZE@THREADS")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    found = [net(text, given.out, given) for text in given.nets]
    held = all(
        each["ratio"] >= FASTEST and all(v <= INT8 for v in each["int8_over_best_scheme"].values())
        for each in found
    )
    print(json.dumps({"nets": found, "holds": held, "machine": hardware.environment()}))
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
