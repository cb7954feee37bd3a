"""Runs of the demo that are killed at a random moment and started again, against an unbroken one.

What must be equal: every bundle's sha256, every accuracy, and every checkpoint's weights.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EDGECLS = Path(sys.executable).parent / "edgecls"


def start(folder: Path) -> subprocess.Popen[bytes]:
    """The demo, in a process group of its own."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [EDGECLS, "run"], cwd=folder, stdout=log, stderr=log, start_new_session=True
        )


def outcome(folder: Path) -> dict[str, object]:
    """Everything that a kill must not change."""
    run = folder / "runs/demo"
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    kept = ("bundle_sha256", "val_top1", "top1", "max_rel_logit_diff", "size_bytes")
    found: dict[str, object] = {
        " ".join(row[k] for k in ("model", "target", "precision")): [row[k] for k in kept]
        for row in rows
    }
    for model in sorted((run / "models").iterdir()):
        described = json.loads((model / "checkpoint.json").read_text())
        found[model.name] = described["weights_sha256"]
    return found


def main() -> None:
    """Print a line a run, then the count as one JSON line."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)  # noqa: S311
    with tempfile.TemporaryDirectory() as scratch:
        unbroken = Path(scratch) / "unbroken"
        unbroken.mkdir()
        begin = time.monotonic()
        if start(unbroken).wait() != 0:
            sys.exit((unbroken / "log").read_text())
        whole, wanted = time.monotonic() - begin, outcome(unbroken)
        print(f"unbroken: {whole:.0f} s, {len(wanted)} results", flush=True)
        equal = 0
        for number in range(count):
            folder = Path(scratch) / f"run{number}"
            folder.mkdir()
            after = draw.uniform(0, whole)
            process = start(folder)
            time.sleep(after)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            again = start(folder).wait()
            same = again == 0 and outcome(folder) == wanted
            equal += same
            print(f"run {number}: killed after {after:.0f} s, equal: {same}", flush=True)
    print(json.dumps({"runs": count, "equal": equal}))
    sys.exit(0 if equal == count else 1)


if __name__ == "__main__":
    main()
