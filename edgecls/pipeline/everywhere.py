"""Every precision of every target, several at once, each in a process of its own.

A converter that crashes, hangs or fills the memory so costs its own row. The graph is exported
once, before them. What stands already, made from the same checkpoint for the same purpose, is used
again.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from edgecls import __version__, hardware, targets
from edgecls.core import DONE, Outcome, Precision, Purpose
from edgecls.device import meta as metas
from edgecls.device.meta import NAME as META
from edgecls.errors import EdgeclsError, UsageError
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import Checkpoint
from edgecls.pipeline import places
from edgecls.pipeline.events import Events
from edgecls.pipeline.package import AT_HAND
from edgecls.pipeline.single import named
from edgecls.pipeline.watched import Watched, available_bytes

_POLL_S = 0.1
# What of a machine a conversion depends on, its scheme above all.
DECIDING = ("profile", "machine", "features", "compute_capabilities")


@dataclass(frozen=True)
class Limits:
    """Of each conversion. jobs: how many are at work at once; 0: what cores and memory allow.

    memory_bytes: of its processes together; 0: its share of what is free.
    """

    jobs: int = 0
    timeout_s: float = 1800.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Row:
    """What became of one conversion. seconds: 0 where it stood already."""

    target: str
    precision: Precision
    outcome: Outcome
    folder: Path
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.target} {self.precision}"

    @property
    def size_bytes(self) -> int:
        """Of the model's own files; 0 where there is no bundle."""
        if self.outcome.status != "ok":
            return 0
        files = metas.read(str(self.folder)).model_files
        return sum((self.folder / each).stat().st_size for each in files)


def export_everywhere(
    checkpoint: Path,
    out: Path,
    events: Events,
    *,
    precision: Precision | None = None,
    purpose: Purpose = AT_HAND,
    force: bool = False,
    limits: Limits = Limits(),
) -> list[Row]:
    """Write ``out/<target>-<precision>`` for all targets; a row each, in the targets' order.

    precision: that one alone. A folder that is taken costs its own row. Raises UsageError where
    the checkpoint is none.
    """
    found = checkpoints.load(checkpoint)
    asked = list(_asked(out, precision))
    standing = [row for row in asked if not force and _stands(row, found, purpose)]
    taken = list(_taken(asked, standing, force, checkpoint))
    settled = {row.folder for row in (*standing, *taken)}
    missing = [row for row in asked if row.folder not in settled]
    if standing:
        events.note(f"{len(standing)} of {len(asked)} stand already")
    with tempfile.TemporaryDirectory() as scratch, events.stage("converting") as progress:
        crew = _Crew(found, checkpoint, Path(scratch) / "model.onnx", purpose, _within(limits))
        done: list[Row] = []
        for row in chain(taken, crew.work(missing)):
            done.append(row)
            if row.outcome.status == "failed":
                events.note(f"{row.name}: {row.outcome.reason}")
            busy = ", ".join(each.row.name for each in crew.busy)
            progress.step(len(done), len(taken) + len(missing), busy)
    places_of = {row.folder: row for row in done}
    return [places_of.get(row.folder, row) for row in asked]


def _asked(out: Path, precision: Precision | None) -> Iterator[Row]:
    for name in targets.names():
        target = targets.get(name)
        for each in target.precisions:
            if not target.host_only and precision in (None, each):
                yield Row(name, each, DONE, out / f"{name}-{each}")


def _taken(
    asked: Sequence[Row], standing: Sequence[Row], force: bool, checkpoint: Path
) -> Iterator[Row]:
    """Those whose folder holds something else than what would be made now."""
    for row in asked:
        if row in standing:
            continue
        try:
            places.free(row.folder, force, [checkpoint])
        except UsageError as error:
            fix = f"remove {row.folder}, or make all of them anew with --force"
            outcome = Outcome("failed", f"{error.cause}, and it is not what would be made", fix)
            yield Row(row.target, row.precision, outcome, row.folder)


def _stands(row: Row, checkpoint: Checkpoint, purpose: Purpose) -> bool:
    """Whether the bundle is there, whole, and what would be made now."""
    if not (row.folder / META).is_file():
        return False
    try:
        meta = metas.read(str(row.folder))
        problems = metas.check(str(row.folder), meta)
    except EdgeclsError:
        return False
    own = getattr(targets.get(row.target), "hardware", None)
    machine = hardware.chosen(purpose.profile, own).to_json()
    return (
        not problems
        and (meta.target, meta.precision) == (row.target, row.precision)
        and meta.provenance.get("weights_sha256") == checkpoint.weights_sha256
        and meta.versions.get("edgecls") == __version__
        and meta.details.get("batch", 1) == purpose.batch
        and "remedies" not in meta.details
        and (meta.labels, meta.preprocess) == (checkpoint.labels, checkpoint.preprocess)
        and meta.postprocess.temperature == checkpoint.temperature
        and all(meta.hardware.get(name) == machine[name] for name in DECIDING)
    )


def _within(limits: Limits) -> Limits:
    """With what is left to this module to choose."""
    from edgecls.hardware import usable_cores

    free = available_bytes()
    # A converter with PyTorch in it begins at about a gigabyte.
    room = max(1, free // 3_000_000_000) if free else usable_cores()
    jobs = limits.jobs or min(usable_cores(), room)
    memory = limits.memory_bytes or int(0.9 * free / jobs)
    return Limits(jobs, limits.timeout_s, memory)


@dataclass
class _Job:
    """A conversion at work."""

    row: Row
    process: Watched
    begin: float = field(default_factory=time.monotonic)

    def ended(self) -> Row | None:
        """Its row where it has ended, or had to be."""
        outcome = self.process.outcome()
        if outcome is None:
            return None
        seconds = round(time.monotonic() - self.begin, 1)
        return Row(self.row.target, self.row.precision, outcome, self.row.folder, seconds)


@dataclass
class _Crew:
    """The conversions at work. graph: where the graph is, once it was exported."""

    found: Checkpoint
    checkpoint: Path
    graph: Path
    purpose: Purpose
    limits: Limits
    busy: list[_Job] = field(default_factory=list)

    def work(self, rows: Sequence[Row]) -> Iterator[Row]:
        """The rows as they end."""
        if not rows:
            return
        left = list(rows)
        with ExitStack() as stack:
            stack.callback(self._stop)
            # A graph that cannot be exported is told by every row that needs it.
            graph = self._start(None)
            stack.callback(_end, graph)
            while graph.outcome() is None:
                time.sleep(_POLL_S)
            while left or self.busy:
                while left and len(self.busy) < self.limits.jobs:
                    row = left.pop(0)
                    self.busy.append(_Job(row, self._start(row)))
                time.sleep(_POLL_S)
                for job in list(self.busy):
                    ended = job.ended()
                    if ended is not None:
                        self.busy.remove(job)
                        _swept(job.row.folder)  # one that was stopped leaves what it began
                        yield ended

    def _start(self, row: Row | None) -> Watched:
        asked: dict[str, Any] = {
            "checkpoint": str(self.checkpoint),
            "graph": str(self.graph),
            "model": named(self.checkpoint),
            "profile": self.purpose.profile,
            "batch": self.purpose.batch,
        }
        if row is not None:
            asked |= {"target": row.target, "precision": row.precision, "out": str(row.folder)}
        command = [sys.executable, "-m", "edgecls.pipeline.one_export", json.dumps(asked)]
        return Watched(command, self.limits.timeout_s, self.limits.memory_bytes)

    def _stop(self) -> None:
        for job in self.busy:
            job.process.kill()
            _swept(job.row.folder)


def _end(process: Watched) -> None:
    if process.outcome() is None:
        process.kill()


def _swept(folder: Path) -> None:
    """Remove what a conversion that was killed had begun beside its folder."""
    # Only its own: litert-int8-dynamic is another conversion, at work beside litert-int8.
    own = re.compile(rf"\.{re.escape(folder.name)}-[a-z0-9_]{{8}}")
    for beside in folder.parent.glob(".*"):
        if own.fullmatch(beside.name):
            shutil.rmtree(beside, ignore_errors=True)
