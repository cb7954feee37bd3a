"""Every target at every precision that it lists: converted here, and proven where it runs here.

Each net is converted for all targets as `edgecls export --target all` does it. What can run here
verifies itself and answers at least 256 images that it was not calibrated on. The claims:

- every conversion ends well;
- `max_rel_logit_diff` over those images is at most 1e-3 in fp32 and 2e-2 in fp16 (``half``: what
  PyTorch itself differs by where the weights alone are rounded to fp16, under which no conversion
  can be expected to come);
- on trained nets, int8 agrees with PyTorch in fp32 in at least 98 % of the top-1 classes.

    python benchmarks/conversions.py --out FOLDER [--threads N] [NAME=CHECKPOINT=DATA …]

DATA is the folder of images that the checkpoint was trained on, or digits; its test split is used.
Beside those, `mobilenet_v2` at 224×224 with random weights is converted. What stands in FOLDER is
used again. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import random_net

from edgecls import hardware, targets
from edgecls.bench import accuracy
from edgecls.core import Images, Logits, Outcome, Scheme
from edgecls.device import golden, meta
from edgecls.errors import EdgeclsError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints
from edgecls.models.normalise import Normalise
from edgecls.pipeline.events import Silent
from edgecls.pipeline.everywhere import Limits, Row, export_everywhere
from edgecls.pipeline.package import faithful
from edgecls.pipeline.quantized import Wish, opened
from edgecls.recipe import load, parse, put
from edgecls.train.fit import predict

NUM_IMAGES, SEED = 512, 1
MOST = {"fp32": 1e-3, "fp16": 2e-2}
AGREEMENT = 0.98
RANDOM = ("mobilenet_v2", 224)


@dataclass(frozen=True)
class Subject:
    """A net, images that it has not seen, and PyTorch's answers to them."""

    name: str
    checkpoint: Path
    is_trained: bool
    images: Images
    reference: Logits


def subject(name: str, checkpoint: Path, images: Images, is_trained: bool) -> Subject:
    source = CheckpointSource(checkpoint, checkpoint / "never-exported.onnx")
    return Subject(name, checkpoint, is_trained, images, source.logits(images))


def trained(text: str, out: Path, threads: int) -> Subject:
    """text: NAME=CHECKPOINT=DATA."""
    name, checkpoint, data = text.split("=", 2)
    tables = load(None, ())
    put(tables, "data.path", data)
    put(tables, "threads", threads)
    if data != "digits":
        put(tables, "data.validation", 0.1)
    wish = Wish(Path(checkpoint), "onnxruntime")
    _, _, _, dataset = opened(wish, parse(tables), out / ".store", Silent())
    images, _ = dataset["test"]
    rows = np.linspace(0, len(images) - 1, min(NUM_IMAGES, len(images))).astype(np.int64)
    return subject(name, Path(checkpoint), np.ascontiguousarray(images[rows]), True)


def untrained(out: Path) -> Subject:
    arch, size = RANDOM
    checkpoint = random_net.checkpoint_of(arch, size, out)
    return subject(f"{arch}-{size}", checkpoint, random_net.pictures(256, size, SEED), False)


def halved(this: Subject) -> float:
    """The difference that rounding the weights to fp16, BatchNorm's in them, makes in PyTorch."""
    import torch
    from torch import nn
    from torch.fx.experimental.optimization import fuse

    found = checkpoints.load(this.checkpoint)
    net = fuse(checkpoints.module(found).eval())
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.copy_(layer.weight.half())
                if layer.bias is not None:
                    layer.bias.copy_(layer.bias.half())
    answers = predict(net, Normalise(found.preprocess), this.images)
    return float(f"{golden.max_relative_difference(answers, this.reference):.3g}")


def told(this: Subject, row: Row) -> dict[str, Any]:
    """What became of a conversion, and what its bundle answers."""
    found: dict[str, Any] = {
        "net": this.name,
        "target": row.target,
        "precision": row.precision,
        "converted": row.outcome.status,
        "size_bytes": row.size_bytes,
    }
    if row.outcome.status != "ok":
        return {**found, "reason": row.outcome.reason, "holds": False}
    run = _runs(row)
    if run.status != "ok":
        return {**found, "runs": run.reason, "holds": True}
    try:
        with tempfile.TemporaryDirectory() as scratch:
            answers = accuracy.logits_of(row.folder, {"all": this.images}, Path(scratch))["all"]
    except EdgeclsError as error:
        return {**found, "runs": error.cause, "holds": False}
    return {**found, "runs": "here", **judged(this, row, answers)}


def _runs(row: Row) -> Outcome:
    """Whether this machine answers as the one that the bundle is for."""
    scheme = meta.read(str(row.folder)).scheme
    made = Scheme.from_json(scheme) if scheme else None
    return faithful(targets.get(row.target), row.precision, made)


def judged(this: Subject, row: Row, answers: Logits) -> dict[str, Any]:
    difference = golden.max_relative_difference(answers, this.reference)
    agreement = golden.agreement(answers, this.reference)
    holds = difference <= MOST.get(row.precision, np.inf)
    if row.precision == "int8" and this.is_trained:
        holds = holds and agreement >= AGREEMENT
    return {
        "num_images": len(answers),
        "max_rel_logit_diff": float(f"{difference:.3g}"),
        "agreement": round(agreement, 4),
        "holds": bool(holds),
    }


def summary(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
    ran = [row for row in rows if row.get("runs") == "here"]
    return {
        "converted": sum(row["converted"] == "ok" for row in rows),
        "asked": len(rows),
        "ran_here": len(ran),
        "failed": [f"{r['net']} {r['target']} {r['precision']}" for r in rows if not r["holds"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("nets", nargs="*", metavar="NAME=CHECKPOINT=DATA")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    subjects = [trained(text, given.out, given.threads) for text in given.nets]
    rows, half = [], {}
    for this in [*subjects, untrained(given.out)]:
        limits = Limits(jobs=given.jobs)
        half[this.name] = halved(this)
        folder = given.out / f"{this.name}-bundles"
        for row in export_everywhere(this.checkpoint, folder, Silent(), limits=limits):
            rows.append(told(this, row))
            print(json.dumps(rows[-1]), flush=True)
    found = summary(rows)
    print(json.dumps({"rows": rows, **found, "half": half, "machine": hardware.environment()}))
    sys.exit(1 if found["failed"] else 0)


if __name__ == "__main__":
    main()
