"""One training that is killed again and again, against an unbroken one: the same weights?

Each kill is SIGKILL after a random part of the unbroken training's time; then the same command goes
on. What must be equal, bit for bit, is the sha256 of the weights' file.

    python benchmarks/kills.py [--kills 5] [-- FLAGS OF edgecls train]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FLAGS = [
    *("--arch", "resnet8", "--epochs", "12", "--averaging", "ema", "--flip", "alternating"),
    *("--crop", "0.1", "--mixup", "0.2", "--optimizer", "adamw", "--schedule", "one-cycle"),
]


def start(folder: Path, flags: list[str]) -> subprocess.Popen[bytes]:
    """`edgecls train` in a folder and a process group of its own."""
    command = [sys.executable, "-m", "edgecls", "train", "--out", "net", *flags]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def weights(folder: Path) -> str:
    described = json.loads((folder / "net" / "checkpoint.json").read_text(encoding="utf-8"))
    return str(described["weights_sha256"])


def killed(folder: Path, flags: list[str], kills: int, whole: float, draw: random.Random) -> int:
    """Train with interruptions; how many kills hit a training that was under way."""
    hits = 0
    while hits < kills:
        process = start(folder, flags)
        # Short enough that all find it at work, even on a machine that has become quicker.
        time.sleep(draw.uniform(0.15, 0.3) * whole)
        if process.poll() is not None:
            break  # it finished before the next kill
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        hits += 1
    process = start(folder, flags)
    if process.wait() and not (folder / "net").exists():
        sys.exit((folder / "log").read_text(encoding="utf-8"))
    return hits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("flags", nargs="*", default=FLAGS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        unbroken, broken = Path(scratch) / "unbroken", Path(scratch) / "broken"
        unbroken.mkdir()
        broken.mkdir()
        begin = time.monotonic()
        if start(unbroken, given.flags).wait():
            sys.exit((unbroken / "log").read_text(encoding="utf-8"))
        whole = time.monotonic() - begin
        draw = random.Random(given.seed)  # noqa: S311
        hits = killed(broken, given.flags, given.kills, whole, draw)
        equal = weights(unbroken) == weights(broken)
        record = {"seconds": round(whole, 1), "kills": hits, "equal": equal}
        print(json.dumps({**record, "weights_sha256": weights(broken)}))
    sys.exit(0 if equal and hits == given.kills else 1)


if __name__ == "__main__":
    main()
