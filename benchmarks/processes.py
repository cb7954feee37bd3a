"""Two processes under torchrun against one with the same global batch: the same accuracy?

Trains the same net on the same images both ways, with as many threads in all, and compares the
top-1 on the test split.

    python benchmarks/processes.py [--data FOLDER] [--seeds 2] [-- FLAGS OF edgecls train]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

FLAGS = ["--arch", "resnet8", "--epochs", "15", "--batch-size", "128", "--augment", "light"]
LIMIT = 0.005


def train(folder: Path, processes: int, data: str, seed: int, flags: list[str]) -> None:
    # A folder each, and so a store each: what one of them has made is not used by the other.
    out = f"{processes}/net-{seed}"
    command = [sys.executable, "-m"]
    if processes > 1:
        command += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command += ["edgecls", "train", "--data", data, "--seed", str(seed), "--out", out]
    done = subprocess.run([*command, *flags], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def top1(folder: Path, processes: int, data: str, seed: int) -> float:
    """On the test split, which neither training has seen."""
    name = f"{processes}/net-{seed}"
    command = [sys.executable, "-m", "edgecls", "evaluate", name, "--data", data]
    done = subprocess.run(
        [*command, "--seed", str(seed), "--out", f"{name}-scores"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads((folder / f"{name}-scores" / "evaluation.json").read_text(encoding="utf-8"))
    return float(found["scored"]["metrics"]["top1"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("flags", nargs="*", default=FLAGS)
    given = parser.parse_args()
    data = given.data if given.data == "digits" else str(Path(given.data).resolve())
    found: dict[int, list[float]] = {1: [], 2: []}
    seconds: dict[int, float] = {1: 0.0, 2: 0.0}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for seed in range(given.seeds):
            for processes in found:
                begin = time.monotonic()
                train(folder, processes, data, seed, given.flags)
                seconds[processes] += time.monotonic() - begin
                found[processes].append(top1(folder, processes, data, seed))
                print(f"seed {seed}, {processes} processes: {found[processes][-1]:.4f}")
    difference = mean(found[2]) - mean(found[1])
    record: dict[str, Any] = {"one": found[1], "two": found[2], "difference": difference}
    print(json.dumps({**record, "seconds_one": seconds[1], "seconds_two": seconds[2]}))
    sys.exit(0 if abs(difference) <= LIMIT else 1)


if __name__ == "__main__":
    main()
