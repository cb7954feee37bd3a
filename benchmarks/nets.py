"""Train every net of ``recipes/`` on the CIFAR-10 images, one after the other, resumably.

The next parts of the work begin with these nets, and the figures of ``results/nets.json`` are
theirs. What is finished is not trained again, and what was killed goes on with its last epoch.

    python benchmarks/nets.py --data CIFAR_FOLDER --out FOLDER [--seed 1] [NAME …]

Another seed trains other weights on the same splits; its run is FOLDER/NAME-seed1.

Choices are made on validation; the test split is scored once, by `edgecls run`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls import hardware
from edgecls.robustness.comparison import paired
from edgecls.rundir import read_arrays

RECIPES = Path(__file__).parent / "recipes"
# Those that others learn from come first.
ORDER = ("cifar-fast", "cifar-resnet8", "cifar-resnet8-taught", "cifar-resnet20")


def names() -> list[str]:
    """All recipes, in the order in which they are trained."""
    found = sorted(path.stem for path in RECIPES.glob("cifar-*.toml"))
    return [name for name in ORDER if name in found] + [n for n in found if n not in ORDER]


def train(name: str, data: Path, out: Path, seed: int, more: list[str]) -> Path:
    """Run a recipe; the folder of its run."""
    folder = out / (f"{name}-seed{seed}" if seed else name)
    command = [sys.executable, "-m", "edgecls", "run", str(RECIPES / f"{name}.toml")]
    command += ["--data", str(data), "--out", str(folder), *more]
    command += ["--set", f"seed={seed}"] if seed else []
    subprocess.run(command, check=True)
    return folder


def figures(run: Path) -> dict[str, Any]:
    """What the run says of its shipped model and the trainings before it."""
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    lines = (run / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    shipped = next(row for row in rows if row["model"] == info["shipped"])
    minutes = {model["name"]: _minutes(run, model["curves"]) for model in info["models"]}
    kept = ("model", "num_params", "macs", "val_top1", "top1", "top1_low", "top1_high")
    found = {**{key: shipped[key] for key in kept}, "minutes": minutes}
    against = list(differences(run, rows, info["reference"]))
    return {**found, "reference": info["reference"], "differences": against} if against else found


def differences(run: Path, rows: list[dict[str, Any]], reference: str) -> Iterator[dict[str, Any]]:
    """Points of accuracy on test between a model and the run's reference, on the same target.

    With the paired 95 % interval (Newcombe) and McNemar's p-value, not corrected.
    """
    measured = [row for row in rows if row["top1"] is not None]
    beside = {
        (row["target"], row["precision"]): row for row in measured if row["model"] == reference
    }
    for row in measured:
        other = beside.get((row["target"], row["precision"]))
        if other is None or other is row:
            continue
        pair = paired(_right(run, other), _right(run, row))
        yield {
            "model": row["model"],
            "target": row["target"],
            "precision": row["precision"],
            "macs_ratio": round(other["macs"] / row["macs"], 3),
            "points": round(100 * pair.difference, 2),
            "low": round(100 * pair.low, 2),
            "high": round(100 * pair.high, 2),
            "p_value": float(f"{pair.p_value:.2g}"),
        }


def _right(run: Path, row: dict[str, Any]) -> NDArray[np.bool_]:
    """Which test images a row gets right."""
    arrays = read_arrays(run, row["files"]["predictions"])
    found: NDArray[np.bool_] = arrays["test_logits"].argmax(1) == arrays["test_classes"]
    return found


def _minutes(run: Path, curves: str) -> float:
    """Of all epochs, those before a kill too."""
    text = (run / "files" / f"{curves}.json").read_text(encoding="utf-8")
    seconds: float = sum(epoch["seconds"] for epoch in json.loads(text)["epochs"])
    return round(seconds / 60, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("names", nargs="*", choices=[[], *names()])
    given = parser.parse_args()
    more = [word for setting in given.set for word in ("--set", setting)]
    found = {}
    for name in given.names or names():
        found[name] = figures(train(name, given.data, given.out, given.seed, more))
        print(json.dumps({name: found[name]}), flush=True)
    print(json.dumps({**found, "machine": hardware.environment()}))


if __name__ == "__main__":
    main()
