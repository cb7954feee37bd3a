"""Rows of ours and of others, in one run and under one protocol: what `peers.py` measures."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgecls.bench import accuracy
from edgecls.bench.protocol import Protocol, measure
from edgecls.core import Classes, Images, Logits
from edgecls.device import meta as metas
from edgecls.device import stats
from edgecls.device.meta import Meta
from edgecls.errors import EdgeclsError
from edgecls.remote.host import Host, Process
from edgecls.remote.local import HERE, LocalHost, started
from edgecls.robustness.comparison import paired

CELL = Path(__file__).resolve().with_name("peers_cell.py")
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Cell(LocalHost):
    """A host that runs a peer's model in its room, instead of the bundle that it is given."""

    room: Path
    file: Path
    constants: Path
    query: str
    decodes = False

    def start(self, bundle: Path, meta: Meta, threads: int) -> Process:
        return started([*self.command(), "--serve", "--threads", str(threads)])

    def command(self) -> list[str]:
        # Not resolved: the link is what makes the room's packages be found.
        room = str(self.room.absolute())
        files = [str(path.resolve()) for path in (self.file, self.constants)]
        return [room, str(CELL), *files, self.query]


@dataclass(frozen=True)
class Row:
    """A converted model. wall_s: of the command that made it, one a repetition.

    bundle: ours. cell: a peer's model as its user runs it, and bare, without the preprocessing.
    """

    name: str
    wall_s: tuple[float, ...]
    size_bytes: int
    bundle: Path | None = None
    cells: tuple[Cell, ...] = ()

    @property
    def is_ours(self) -> bool:
        return self.bundle is not None


@dataclass
class Seen:
    """What was measured of a row. bare_ms: a peer's median without its preprocessing."""

    row: Row
    logits: Logits
    latency_ms: list[float] = field(default_factory=list)
    bare_ms: float | None = None

    @property
    def p50_ms(self) -> float:
        return stats.percentile(sorted(self.latency_ms), 50)

    def hits(self, classes: Classes) -> np.ndarray[Any, np.dtype[np.bool_]]:
        found: np.ndarray[Any, np.dtype[np.bool_]] = self.logits.argmax(1) == np.asarray(classes)
        return found

    def to_json(self, classes: Classes) -> dict[str, Any]:
        hits = self.hits(classes)
        ordered = sorted(self.latency_ms)
        low, high = stats.wilson(int(hits.sum()), len(hits))
        told = {
            "row": self.row.name,
            "ours": self.row.is_ours,
            "top1": round(float(hits.mean()), 4),
            "top1_low": round(low, 4),
            "top1_high": round(high, 4),
            "p50_ms": round(stats.percentile(ordered, 50), 4),
            "p90_ms": round(stats.percentile(ordered, 90), 4),
            "queries": len(ordered),
            "size_bytes": self.row.size_bytes,
            "wall_s": round(median(self.row.wall_s), 1),
            "walls_s": [round(each, 1) for each in self.row.wall_s],
        }
        return told if self.bare_ms is None else {**told, "bare_p50_ms": round(self.bare_ms, 4)}


def our_row(name: str, bundle: Path, wall_s: Sequence[float]) -> Row:
    meta = metas.read(str(bundle))
    size = sum((bundle / file).stat().st_size for file in meta.model_files)
    return Row(name, tuple(wall_s), size, bundle=bundle)


def their_row(name: str, room: Path, file: Path, constants: Path, wall_s: Sequence[float]) -> Row:
    """file: .onnx, with .onnx.data where it is too large, or .xml with .bin beside it."""
    beside = [file, file.with_suffix(".bin"), file.with_name(f"{file.name}.data")]
    size = sum(path.stat().st_size for path in beside if path.exists())
    cells = tuple(Cell(room, file, constants, query) for query in ("whole", "bare"))
    return Row(name, tuple(wall_s), size, cells=cells)


def seen(rows: Sequence[Row], images: Images, protocol: Protocol, threads: int) -> list[Seen]:
    """Answers of every row to all images, then the latencies of all, in turns."""
    found = [Seen(row, answers(row, images)) for row in rows]
    anchor = next(row.bundle for row in rows if row.bundle is not None)
    places: list[tuple[Path, Host]] = []
    for row in rows:
        places += [(anchor, cell) for cell in row.cells] or [(row.bundle or anchor, HERE)]
    samples = iter(measure(places, protocol))
    for each in found:
        whole = next(samples)
        bare = next(samples) if each.row.cells else None
        for kind in (whole, bare):
            if kind is not None and kind.error:
                raise EdgeclsError(f"{each.row.name}: {kind.error}", kind.fix)
        each.latency_ms = whole.latency_ms
        each.bare_ms = median(bare.latency_ms) if bare is not None else None
        print(f"{each.row.name}: {each.p50_ms:.4f} ms", flush=True)
    return found


def answers(row: Row, images: Images) -> Logits:
    with tempfile.TemporaryDirectory() as scratch:
        if row.bundle is not None:
            return accuracy.logits_of(row.bundle, {"test": images}, Path(scratch))["test"]
        given, answered = Path(scratch) / "images.npy", Path(scratch) / "logits.npy"
        np.save(given, np.asarray(images))
        command = [*row.cells[0].command(), "--logits", str(given), str(answered)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{row.name} does not answer:\n{done.stderr[-3000:]}")
        logits: Logits = np.load(answered)
        return logits


def verdict(
    found: Sequence[Seen], classes: Classes, most_p50: float, most_wall: float | None = None
) -> dict[str, Any]:
    """The quickest of ours beside the quickest of the peers.

    Holds where its p50 is at most so many times the peer's, its accuracy not significantly lower
    on the same images (McNemar), and its wall time at most so many times the peer's.
    """
    ours = min((each for each in found if each.row.is_ours), key=lambda each: each.p50_ms)
    best = min((each for each in found if not each.row.is_ours), key=lambda each: each.p50_ms)
    pair = paired(best.hits(classes), ours.hits(classes))
    ratio = ours.p50_ms / best.p50_ms
    lost = pair.difference < 0 and pair.p_value < SIGNIFICANT
    told: dict[str, Any] = {
        "ours": ours.row.name,
        "best_peer": best.row.name,
        "p50_ratio": round(ratio, 3),
        "p50_ratio_bare": round(ours.p50_ms / best.bare_ms, 3) if best.bare_ms else None,
        "top1_difference": round(pair.difference, 4),
        "top1_difference_low": round(pair.low, 4),
        "top1_difference_high": round(pair.high, 4),
        "p_value": float(f"{pair.p_value:.2g}"),
        "holds": ratio <= most_p50 and not lost,
    }
    if most_wall is None:
        return told
    wall = median(ours.row.wall_s) / median(best.row.wall_s)
    told |= {"wall_ratio": round(wall, 3), "holds": told["holds"] and wall <= most_wall}
    return told


def write_constants(path: Path, size: Sequence[int], mean: Any, std: Any) -> Path:
    """What `peers_numpy.normalised` and a cell need to know."""
    record: Mapping[str, Any] = {"size": list(size), "mean": list(mean), "std": list(std)}
    path.write_text(json.dumps(record), encoding="utf-8")
    return path
