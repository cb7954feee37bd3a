"""Where the time of the recommended rows goes, operator by operator, by the runtime's profiler.

Asked once the rows are measured, of a process of its own: profiling slows a runtime down.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from edgecls import hardware
from edgecls.core import Measurement, Progress
from edgecls.device.meta import bundle_sha256
from edgecls.errors import EdgeclsError, RunnerError
from edgecls.pipeline.workshop import Workshop, inputs_of
from edgecls.rundir import add_file
from edgecls.runner import Runner
from edgecls.store import Entry

QUERIES = 50
NAME = "operators.json"


def with_operators(workshop: Workshop, rows: Sequence[Measurement], out: Path) -> list[Measurement]:
    """`rows`, those that are recommended with their side file ``operators``.

    A runtime without a profiler leaves its row as it is, and so does one that fails at it, which
    is told. out: the run's folder.
    """
    return [_profiled(workshop, row, out) if row.recommended else row for row in rows]


def _profiled(workshop: Workshop, row: Measurement, out: Path) -> Measurement:
    if row.bundle is None:
        return row
    try:
        entry = operators(workshop, row.name, out / row.bundle)
    except (EdgeclsError, OSError, subprocess.SubprocessError) as error:
        cause = error.cause if isinstance(error, EdgeclsError) else error
        workshop.events.note(f"{row.name}: {cause}")
        return row
    if not (entry.out / NAME).is_file():
        return row
    digest = add_file(out, (entry.out / NAME).read_bytes(), "json")
    return row.with_(files={**row.files, "operators": digest})


def operators(workshop: Workshop, name: str, bundle: Path) -> Entry:
    """The entry of a bundle's operators, empty for a runtime without a profiler.

    Raises RunnerError where its runner fails.
    """
    threads = workshop.recipe.bench.threads
    inputs = inputs_of(
        "operators",
        bundle=bundle_sha256(str(bundle)),
        threads=threads,
        queries=QUERIES,
        hardware=asdict(hardware.here()),
    )

    def build(out: Path, work: Path, progress: Progress) -> None:
        with Runner(bundle, threads) as runner:
            try:
                told = runner.ask({"do": "profile", "queries": QUERIES})
            except RunnerError as error:
                if "has no profiler" in error.cause:
                    return
                raise
        kept = {key: told.get(key) for key in ("profiler", "queries", "operators")}
        (out / NAME).write_text(json.dumps(kept), encoding="utf-8")

    return workshop.make(f"{name}: operators", inputs, build)
