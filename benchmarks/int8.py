"""What int8 costs in accuracy: by default, with our remedies, after the climb, and trained for it.

For every net and for ONNX Runtime, OpenVINO and TensorRT's QDQ graph (run in ONNX Runtime):

- default: the runtime's own, per-channel weights and extremes (NNCF's preset) as ranges;
- remedies: what `edgecls export --precision int8` does unless it is told otherwise;
- climb: what `edgecls quantize --max-drop 0.5` ends with, judged on validation, without training;
- qat: `edgecls qat` with its own defaults but for `--epochs`.

PTQ is the better of remedies and climb *on validation*. Test is scored once for each and chooses
nothing. Every difference is from the same net in fp32 in PyTorch, with its paired 95 % interval.
Where the default loses two points or more, the diagnosis names layers and a climb to a tenth of the
loss says how much comes back; `--plant` adds a net that is broken on purpose.

    python benchmarks/int8.py --data CIFAR --out FOLDER [--plant] [--epochs 6] NAME=CHECKPOINT …

Everything is kept in FOLDER and used again. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls import hardware, targets
from edgecls.core import Logits, Remedies, Target
from edgecls.device.meta import sha256
from edgecls.models.checkpoint import JSON, WEIGHTS
from edgecls.pipeline import conversion, quantizing
from edgecls.pipeline.climb import Ascent, climb
from edgecls.pipeline.events import Silent
from edgecls.pipeline.package import AT_HAND
from edgecls.pipeline.quantized import Wish, opened, validation
from edgecls.pipeline.quantized import trained as int8_trained
from edgecls.pipeline.quantizing import Model, Validation
from edgecls.pipeline.workshop import Workshop
from edgecls.quantize.climbing import Climb
from edgecls.recipe import load, parse, put
from edgecls.robustness.comparison import paired
from edgecls.store import Entry

TARGETS = ("onnxruntime", "openvino", "tensorrt")
SPLITS = ("validation", "test")
BOUND = 0.005
# Points: of the mean over the nets and targets, and of each.
BARS = {"ptq": (0.3, 0.6), "qat": (0.1, 0.35)}
BROKEN_POINTS, RECOVERED = 2.0, 0.9
PLANTED, FACTOR = "planted", 50


@dataclass(frozen=True)
class Subject:
    """A net with its splits. reference: its answers in fp32, by split."""

    name: str
    workshop: Workshop
    model: Model
    data: Entry
    splits: Mapping[str, Validation]
    reference: Mapping[str, Logits]
    trained: Model | None


def subject(name: str, folder: Path, given: argparse.Namespace) -> Subject:
    """Open a checkpoint, and train it for int8 unless that is done already."""
    tables = load(None, ())
    put(tables, "data.path", str(given.data))
    put(tables, "data.validation", 0.1)
    put(tables, "threads", given.threads)
    recipe = parse(tables)
    workshop, model, data, dataset = opened(
        Wish(folder, TARGETS[0]), recipe, given.out / ".store", Silent()
    )
    images, classes = dataset["test"]
    splits = {
        "validation": validation(data, dataset),
        "test": Validation(images, np.asarray(classes), f"{data.key}-test"),
    }
    given_images = {split: each.images for split, each in splits.items()}
    answers = conversion.answers(workshop, name, model.entry, data, given_images)
    reference = conversion.load_logits(answers, SPLITS)
    trained = None
    if given.epochs and name != PLANTED:
        asked = {"epochs": given.epochs, "batch_size": given.batch_size}
        trained = int8_trained(workshop, model, data, dataset, **asked)
    return Subject(name, workshop, model, data, splits, reference, trained)


def answers(
    this: Subject, target: Target, model: Model, remedies: Remedies | None
) -> dict[str, Logits]:
    """split -> the logits of an int8 model, by its bundle's runner or in ONNX Runtime."""
    label = f"{model.name}: {target.name}"
    if quantizing.runs_here(target, AT_HAND):
        entry = conversion.bundle(
            this.workshop, model.name, model.entry, model.graph, target, "int8", remedies
        )
        images = {split: each.images for split, each in this.splits.items()}
        scores = conversion.scores(this.workshop, label, entry.out, this.data, images)
        return conversion.load_logits(scores, SPLITS)
    asked = remedies or Remedies()
    found = {}
    for split, each in this.splits.items():
        entry = quantizing.emulated(this.workshop, label, model, target, asked, each)
        found[split] = conversion.load_logits(entry, ["validation"])["validation"]
    return found


def hits(this: Subject, logits: Mapping[str, Logits], split: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = logits[split].argmax(1) == this.splits[split].classes
    return found


def row(this: Subject, target: str, way: str, logits: Mapping[str, Logits]) -> dict[str, Any]:
    """Points below fp32 on both splits; on test with the paired interval, low to high loss."""
    before, after = hits(this, this.reference, "test"), hits(this, logits, "test")
    pair = paired(before, after)
    lost = hits(this, this.reference, "validation").mean() - hits(this, logits, "validation").mean()
    return {
        "net": this.name,
        "target": target,
        "way": way,
        "top1": round(100 * float(after.mean()), 2),
        "fp32_top1": round(100 * float(before.mean()), 2),
        "drop": round(-100 * pair.difference, 2),
        "drop_low": round(-100 * pair.high, 2),
        "drop_high": round(-100 * pair.low, 2),
        "p_value": float(f"{pair.p_value:.2g}"),
        "val_drop": round(100 * float(lost), 2),
    }


def climbed(this: Subject, target: Target, bound: float) -> tuple[Climb, Remedies]:
    """The climb without training, and the remedies that it ended with."""
    found, _ = climb(Ascent(this.workshop, this.model, target, this.splits["validation"], bound))
    return found, Remedies.from_json(found.step.remedies)


def rows(this: Subject) -> Iterator[dict[str, Any]]:
    """All ways of a net on all targets."""
    for name in TARGETS:
        target = targets.get(name)
        assert target.quantizing is not None
        ladder, own = target.quantizing.ladder, target.quantizing.remedies
        default = row(this, name, "default", answers(this, target, this.model, ladder[0].remedies))
        yield default
        yield row(this, name, "remedies", answers(this, target, this.model, own))
        found, remedies = climbed(this, target, BOUND)
        told = row(this, name, "climb", answers(this, target, this.model, remedies))
        yield {**told, **_story(found)}
        if default["drop"] >= BROKEN_POINTS:
            yield _recovered(this, target, default)
        if this.trained is not None:
            yield row(this, name, "qat", answers(this, target, this.trained, None))


def _story(found: Climb) -> dict[str, Any]:
    return {
        "met": found.met,
        "step": found.step.name,
        "seconds": found.seconds,
        "num_evaluations": found.num_evaluations,
        "reference": found.reference,
        "climb_drop": round(100 * (found.step.drop or 0.0), 2),
    }


def _recovered(this: Subject, target: Target, default: Mapping[str, Any]) -> dict[str, Any]:
    """What breaks the default, and the share of its loss that a climb to a tenth of it saves."""
    assert target.quantizing is not None
    first = target.quantizing.ladder[0].remedies
    diagnosis = quantizing.diagnosed(
        this.workshop, this.model, target, first, this.splits["validation"]
    )
    found, remedies = climbed(this, target, (1 - RECOVERED) * default["val_drop"] / 100)
    told = row(this, target.name, "recovery", answers(this, target, this.model, remedies))
    return {
        **told,
        **_story(found),
        "culprits": [each.layer for each in diagnosis.culprits()],
        "recovered": round(1 - told["drop"] / default["drop"], 3),
    }


def plant(checkpoint: Path, out: Path) -> Path:
    """A copy of a resnet8 with one channel fifty times larger, and what reads it smaller.

    It answers as before in float; in int8 the channel takes the whole range of its tensor.
    """
    from safetensors.torch import load_file, save_file

    if not (out / JSON).exists():
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(checkpoint, out)
        tensors = load_file(out / WEIGHTS)
        for part in ("weight", "bias"):
            tensors[f"body.1.bn1.{part}"][3] *= FACTOR
        tensors["body.1.conv2.weight"][:, 3] /= FACTOR
        save_file(tensors, out / WEIGHTS)
        record = json.loads((out / JSON).read_text(encoding="utf-8"))
        record["weights_sha256"] = sha256(str(out / WEIGHTS))
        (out / JSON).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return out


def verdicts(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Each claim with what was seen of it and whether it holds."""
    told: dict[str, Any] = {}
    mine = [each for each in found if each["net"] != PLANTED]
    for way, (most_mean, most) in BARS.items():
        drops = [each["drop"] for each in (_ptq(mine) if way == "ptq" else _of(mine, "qat"))]
        if drops:
            told[way] = {
                "mean": round(mean(drops), 3),
                "worst": max(drops),
                "count": len(drops),
                "holds": mean(drops) <= most_mean and max(drops) <= most,
            }
    told["climbs"] = {
        "met": [each["met"] for each in _of(mine, "climb")],
        "holds": all(each["met"] for each in _of(mine, "climb")),
    }
    saved = _of(found, "recovery")
    if saved:
        told["recovery"] = {
            "recovered": [each["recovered"] for each in saved],
            "holds": all(each["recovered"] >= RECOVERED and each["culprits"] for each in saved),
        }
    return told


def _of(found: list[dict[str, Any]], way: str) -> list[dict[str, Any]]:
    return [each for each in found if each["way"] == way]


def _ptq(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of remedies and climb the one that loses less on validation; a tie goes to the remedies."""
    pairs = zip(_of(found, "remedies"), _of(found, "climb"), strict=True)
    return [min(pair, key=lambda each: each["val_drop"]) for pair in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=6, help="of the training for int8 (0: none)")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--plant", action="store_true")
    parser.add_argument("nets", nargs="+", metavar="NAME=CHECKPOINT")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    named = dict(each.split("=", 1) for each in given.nets)
    if given.plant:
        named[PLANTED] = str(plant(Path(named["resnet8"]), given.out / PLANTED))
    found = []
    for name, folder in named.items():
        this = subject(name, Path(folder), given)
        for each in rows(this):
            found.append(each)
            print(json.dumps(each), flush=True)
    told = verdicts(found)
    print(json.dumps({"rows": found, "claims": told, "machine": hardware.environment()}))
    sys.exit(0 if all(each["holds"] for each in told.values()) else 1)


if __name__ == "__main__":
    main()
