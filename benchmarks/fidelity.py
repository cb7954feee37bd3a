"""Our harness against OpenVINO's `benchmark_app` and MLPerf's LoadGen, in turns, in one run.

Of each net the same bundle is asked by both: its IR by `benchmark_app` as it comes (no hint, one
stream, synchronous, f32, the same threads), its ONNX graph by LoadGen's single stream. A turn is
a launch of ours, one of theirs, ours, theirs; every second one is turned round. The claim: our p50
is within the larger of 3 % and 15 µs of theirs, each the median of its turns.

    python benchmarks/fidelity.py --out FOLDER [--turns 5] [--seconds 4] [NET@SIZE@THREADS …]

The nets have random weights; what was exported is kept in FOLDER. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import random_net

from edgecls import hardware
from edgecls.bench import loadgen
from edgecls.bench.protocol import Protocol, measure
from edgecls.core import Precision
from edgecls.device.stats import percentile
from edgecls.pipeline.single import export
from edgecls.remote.local import here

NETS = ("resnet8@32@1", "mobilenet_v2@224@1")
SHARE, LEAST_MS = 0.03, 0.015
PRECISION: Precision = "fp32"
_MEDIAN = re.compile(r"Median:\s+([\d.]+)\s*(us|ms)")


def ours(bundle: Path, protocol: Protocol) -> float:
    """The p50 of one launch, in milliseconds. Exits where the bundle fails."""
    (samples,) = measure(here([bundle]), protocol)
    if samples.error:
        sys.exit(f"{bundle}: {samples.error}")
    return percentile(sorted(samples.latency_ms), 50)


def benchmark_app(bundle: Path, protocol: Protocol) -> float:
    """The median that OpenVINO's own tool prints, in milliseconds."""
    command = [
        str(Path(sys.executable).with_name("benchmark_app")),
        *("-m", str(next(bundle.glob("*.xml"))), "-d", "CPU", "-api", "sync"),
        *("-hint", "none", "-nstreams", "1", "-nthreads", str(protocol.threads)),
        *("-infer_precision", "f32", "-t", str(max(1, round(protocol.seconds)))),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _MEDIAN.search(done.stdout)
    if found is None:
        sys.exit(f"benchmark_app ended with {done.returncode}: {done.stdout[-800:]}{done.stderr}")
    return float(found.group(1)) / (1e3 if found.group(2) == "us" else 1)


def by_loadgen(bundle: Path, protocol: Protocol) -> float:
    """The p50 of LoadGen's single stream, in milliseconds."""
    with tempfile.TemporaryDirectory() as logs:
        return loadgen.run(bundle, protocol, 1.0, Path(logs)).latency_ms[50]


def net(text: str, given: argparse.Namespace) -> dict[str, Any]:
    """Both comparisons of one net. text: its name, size and threads."""
    arch, size, threads = text.split("@")
    source = random_net.checkpoint_of(arch, int(size), given.out)
    protocol = Protocol(int(threads), 1, 1, given.queries, given.seconds)
    peers: dict[str, tuple[str, Callable[[Path, Protocol], float]]] = {
        "benchmark_app": ("openvino", benchmark_app),
        "loadgen": ("onnxruntime", by_loadgen),
    }
    found: dict[str, Any] = {"net": text}
    for name, (target, peer) in peers.items():
        bundle = given.out / f"{arch}-{size}-{target}-{PRECISION}"
        if not bundle.exists():
            export(source, target, PRECISION, bundle, force=False)
        pairs = []
        for turn in range(given.turns):
            calls = [ours, peer] if turn % 2 == 0 else [peer, ours]
            told = {call: call(bundle, protocol) for call in calls}
            pairs.append((told[ours], told[peer]))
            print(f"{text} {name}: ours {told[ours]:.4f} ms, theirs {told[peer]:.4f}", flush=True)
        found[name] = verdict(pairs)
    return found


def verdict(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """pairs: ours and theirs of each turn, in milliseconds."""
    mine, theirs = (median(values) for values in zip(*pairs, strict=True))
    bound = max(SHARE * theirs, LEAST_MS)
    return {
        "ours_ms": round(mine, 4),
        "theirs_ms": round(theirs, 4),
        "difference_ms": round(mine - theirs, 4),
        "bound_ms": round(bound, 4),
        "turns_ms": [[round(value, 4) for value in pair] for pair in pairs],
        "holds": abs(mine - theirs) <= bound,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("nets", nargs="*", default=NETS, metavar="NET@SIZE@THREADS")
    given = parser.parse_args()
    loadgen.check()
    given.out.mkdir(parents=True, exist_ok=True)
    found = [net(text, given) for text in given.nets]
    held = all(each[name]["holds"] for each in found for name in ("benchmark_app", "loadgen"))
    print(json.dumps({"nets": found, "holds": held, "machine": hardware.environment()}))
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
