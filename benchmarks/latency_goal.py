"""A net that is pruned to half its latency has half its latency.

`edgecls prune --latency-ratio 0.5` of a checkpoint, as a user calls it; then both nets are exported
for the target and measured once more, beside each other, over launches that the search knew nothing
of. The claim: the ratio, the median over pairs of rounds, lies between 0.45 and 0.50.

    python benchmarks/latency_goal.py --out FOLDER [--target openvino] [--epochs N] \
        NAME=CHECKPOINT=DATA …

DATA is what the checkpoint was trained on: a folder, or ``digits``. What stands in FOLDER is used
again. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from edgecls import hardware
from edgecls.bench import medians
from edgecls.bench.protocol import Protocol, measure
from edgecls.models import checkpoint as checkpoints
from edgecls.pipeline.single import export
from edgecls.remote.local import here

ASKED, LEAST = 0.5, 0.45


def pruned(checkpoint: Path, data: str, target: str, epochs: int, out: Path) -> Path:
    """The cut checkpoint, made by the command unless it stands there."""
    if not (out / "checkpoint.json").exists():
        command = [sys.executable, "-m", "edgecls", "prune", "--model", str(checkpoint)]
        command += ["--data", data] if data != "digits" else []
        command += ["--latency-ratio", str(ASKED), "--latency-target", target]
        command += ["--epochs", str(epochs), "--out", str(out)]
        subprocess.run(command, check=True)
    return out


def judged(text: str, asked: argparse.Namespace) -> dict[str, Any]:
    name, checkpoint, data = text.split("=", 2)
    whole, folder = Path(checkpoint), asked.out / name
    folder.mkdir(parents=True, exist_ok=True)
    cut = pruned(whole, data, asked.target, asked.epochs, folder / "pruned")
    bundles = [folder / "bundle-pruned", folder / "bundle-whole"]
    for source, bundle in zip((cut, whole), bundles, strict=True):
        if not bundle.exists():
            export(source, asked.target, "fp32", bundle, force=False)
    protocol = Protocol(1, asked.launches, queries=asked.queries, seconds=asked.seconds)
    samples = measure(here(bundles), protocol)
    for each in samples:
        if each.error:
            sys.exit(f"{name}: {each.error}")
    ratio = medians.ratio(*map(medians.of_rounds, samples))
    nets = [checkpoints.load(path) for path in (cut, whole)]
    return {
        "net": name,
        "target": asked.target,
        "ratio": round(ratio, 4),
        "p50_ms": [round(median(each.latency_ms), 4) for each in samples],
        "num_params": [net.num_params for net in nets],
        "val_top1": [round(float(net.metrics["validation"]["top1"]), 4) for net in nets],
        "holds": LEAST <= ratio <= ASKED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--target", default="openvino")
    parser.add_argument("--epochs", type=int, default=14, help="of the fine-tuning")
    parser.add_argument("--launches", type=int, default=10)
    parser.add_argument("--queries", type=int, default=700)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("nets", nargs="+", metavar="NAME=CHECKPOINT=DATA")
    asked = parser.parse_args()
    found = []
    for text in asked.nets:
        found.append(judged(text, asked))
        print(json.dumps(found[-1]), flush=True)
    holds = all(each["holds"] for each in found)
    print(json.dumps({"nets": found, "holds": holds, "machine": hardware.environment()}))
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
