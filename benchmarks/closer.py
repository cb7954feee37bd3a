"""A row and its runtime's own int8 again, alone and over more launches, where `runtimes.py` doubts.

Launches of one process differ by a quarter on some machines, and `runtimes.py` has two of each.

    python benchmarks/closer.py --out FOLDER NET@THREADS=PRECISION=RUNTIME …

FOLDER is that of `runtimes.py`, which made the bundles. RUNTIME: openvino, beside NNCF's default,
or one whose file is the bundle's own. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from runtimes import FILES, INT8, Cell

from edgecls import hardware
from edgecls.bench.protocol import Protocol, measure
from edgecls.remote.local import HERE


def row(text: str, out: Path, launches: int) -> dict[str, Any]:
    net, precision, runtime = text.split("=")
    arch, threads = net.split("@")
    made = out / f"{arch}-bundles"
    bundle = made / f"{runtime}-{precision}"
    by_hand = made / "by-hand" / "openvino-int8-nncf" / "model.xml"
    file = by_hand if runtime == "openvino" else next(bundle.glob(f"*{FILES[runtime]}"))
    places = [(bundle, HERE), (made / "onnxruntime-fp32", Cell(runtime, file))]
    samples = measure(places, Protocol(int(threads), launches, 3, 600, 5.0))
    p50 = [median(each.latency_ms) for each in samples]
    by_launch = [
        [
            round(float(np.median(np.asarray(each.latency_ms)[np.asarray(each.launch) == n])), 4)
            for n in range(launches)
        ]
        for each in samples
    ]
    return {
        "row": text,
        "ratio": round(p50[0] / p50[1], 3),
        "p50_ms": [round(value, 4) for value in p50],
        "by_launch_ms": by_launch,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--launches", type=int, default=10)
    parser.add_argument("rows", nargs="+", metavar="NET@THREADS=PRECISION=RUNTIME")
    given = parser.parse_args()
    found = []
    for text in given.rows:
        found.append(row(text, given.out, given.launches))
        print(json.dumps(found[-1]), flush=True)
    held = all(each["ratio"] <= INT8 for each in found)
    print(json.dumps({"rows": found, "holds": held, "machine": hardware.environment()}))
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
