"""Whether a printed interval holds what the next measurements find, and a busy machine is noticed.

One bundle is benched again and again, each time by the whole protocol. Three claims:

- the interval that the first bench prints covers the medians of at least nine of ten, its own
  among them, and is at most 5 % wide;
- `edgecls compare` is silent on each bench and the one after it;
- with a busy process beside it, the row carries the flag ``co-load``.

    python benchmarks/repeatability.py --out FOLDER [--times 21] [--seconds 10] [NET@SIZE@THREADS]

The net has random weights. Each bench is kept as the folder of a run, ``FOLDER/01`` …, with its raw
latencies. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import random_net

from edgecls import __version__, comparing, hardware
from edgecls.bench import rows
from edgecls.bench.protocol import Protocol, measure
from edgecls.bench.settings import QUERIES, SECONDS
from edgecls.core import Measurement, write_results
from edgecls.device.meta import bundle_sha256
from edgecls.pipeline import raw
from edgecls.pipeline.single import export
from edgecls.remote.local import here
from edgecls.rundir import RESULTS, Budget, RunInfo

COVERED, WIDEST = 0.9, 0.05


def bench(bundle: Path, target: str, precision: str, protocol: Protocol, run: Path) -> Measurement:
    """One bench, kept as the folder of a run. Exits where the bundle fails."""
    (samples,) = measure(here([bundle]), protocol)
    if samples.error:
        sys.exit(f"{bundle}: {samples.error}")
    row = Measurement(
        *("net", target, precision, "ok", "ok", "skipped"),
        bundle_sha256=bundle_sha256(str(bundle)),
    )
    (row,) = rows.measured([row], [samples], protocol)
    run.mkdir(parents=True, exist_ok=True)
    row = row.with_(files={"latencies": raw.latencies(run, samples)})
    write_results(run / RESULTS, [row])
    described(run).write(run)
    print(
        f"{run.name}: p50 {row.latency_p50_ms:.4f} ms, expected again from "
        f"{row.latency_p50_low:.4f} to {row.latency_p50_high:.4f}; flags: {row.flags or 'none'}",
        flush=True,
    )
    return row


def described(run: Path) -> RunInfo:
    """What a run's folder says of itself: no more than that it holds one row of one net."""
    return RunInfo(
        name=run.name,
        command=" ".join(["python", *sys.argv]),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        seed=0,
        reference="net",
        shipped="net",
        labels=(),
        budget=Budget(),
        data={},
        plan={},
        models=(),
        environment=hardware.environment(),
    )


@contextmanager
def busy() -> Iterator[None]:
    """A process beside, which does not rest."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def alarming(runs: Sequence[Path]) -> list[str]:
    """What `edgecls compare` alarms of at its own bounds, in each run and the one after it."""
    found = []
    for old, new in pairwise(runs):
        gate = comparing.compare(old, new, comparing.Bounds())
        if not gate.num_tested:
            sys.exit(f"nothing of {old} and {new} could be tested")
        found += [f"{old.name} {new.name}: {a.sentence}" for a in comparing.alarms(gate)]
    return found


def verdict(
    found: Sequence[Measurement], beside_busy: Measurement, alarms: Sequence[str]
) -> dict[str, Any]:
    """The figures of all claims. Every bench's interval is counted; the first one is judged."""
    p50s = [float(row.latency_p50_ms or 0) for row in found]
    bounds = [(float(row.latency_p50_low or 0), float(row.latency_p50_high or 0)) for row in found]
    covered = [sum(low <= p50 <= high for p50 in p50s) for low, high in bounds]
    width = (bounds[0][1] - bounds[0][0]) / p50s[0]
    return {
        "p50_ms": [round(p50, 5) for p50 in p50s],
        "spread": round((max(p50s) - min(p50s)) / float(np.median(p50s)), 4),
        "covered": covered[0],
        "covered_by_each": covered,
        "of": len(found),
        "width": round(width, 4),
        "widths": [round((b - a) / p, 4) for (a, b), p in zip(bounds, p50s, strict=True)],
        "flags": [list(row.flags) for row in found],
        "flags_beside_busy": list(beside_busy.flags),
        "pairs": len(found) - 1,
        "alarms": list(alarms),
        "holds": covered[0] >= COVERED * len(found)
        and width <= WIDEST
        and "co-load" in beside_busy.flags
        and not alarms,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--times", type=int, default=21)
    parser.add_argument("--target", default="onnxruntime")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--seconds", type=float, default=SECONDS["quick"])
    parser.add_argument("--queries", type=int, default=QUERIES["quick"])
    parser.add_argument("net", nargs="?", default="resnet8@32@1", metavar="NET@SIZE@THREADS")
    given = parser.parse_args()
    arch, size, threads = given.net.split("@")
    source = random_net.checkpoint_of(arch, int(size), given.out)
    bundle = given.out / f"{arch}-{given.target}-{given.precision}"
    if not bundle.exists():
        export(source, given.target, given.precision, bundle, force=False)
    protocol = Protocol(int(threads), queries=given.queries, seconds=given.seconds)
    told = (bundle, given.target, given.precision, protocol)
    runs = [given.out / f"{number:02d}" for number in range(1, given.times + 1)]
    found = [bench(*told, run) for run in runs]
    with busy():
        beside_busy = bench(*told, given.out / "busy")
    result = verdict(found, beside_busy, alarming(runs))
    print(
        json.dumps(
            {
                "net": given.net,
                "target": f"{given.target} {given.precision}",
                "protocol": protocol.to_json(),
                **result,
                "machine": hardware.environment(),
            }
        )
    )
    sys.exit(0 if result["holds"] else 1)


if __name__ == "__main__":
    main()
