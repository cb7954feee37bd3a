"""``edgecls bench --loadgen``: the bundles that were measured, once more under MLPerf's LoadGen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edgecls import packed, trust
from edgecls.bench import loadgen
from edgecls.bench.settings import Protocol
from edgecls.core import Measurement
from edgecls.errors import RunnerError, UsageError
from edgecls.pipeline import places
from edgecls.pipeline.events import Events

LOGS = "mlperf_log_*"


@dataclass(frozen=True)
class Told:
    """What is told of a row. failed: whether its bundle failed under LoadGen."""

    line: str
    failed: bool = False


def check(root: Path, force: bool) -> None:
    """Raises MissingDependency without LoadGen, and UsageError where its logs cannot lie.

    force: whether older logs may be replaced. Nothing else that lies there is touched.
    """
    loadgen.check()
    places.writable(root, "--loadgen")
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file", "choose a folder with --loadgen")
    if not force and root.is_dir() and any(root.iterdir()):
        raise UsageError(
            f"{root} is not empty", "choose another folder with --loadgen, or add --force"
        )


def run(
    bundles: Sequence[Path],
    rows: Sequence[Measurement],
    protocol: Protocol,
    root: Path,
    trust_code: bool,
    events: Events,
) -> list[Told]:
    """A line for each row, LoadGen's figures beside ours; its logs stay in ``root/<row>/``.

    rows: of the bundles, in their order. One that was not measured is left out; one that fails
    under LoadGen costs its own line alone.
    """
    told = []
    names = [f"{row.model}-{row.target}-{row.precision}" for row in rows]
    with ExitStack() as stack, events.stage("measuring under LoadGen") as progress:
        opened = [stack.enter_context(packed.opened(bundle)) for bundle in bundles]
        for folder in opened:
            trust.check(folder, trust_code)
        found = zip(opened, rows, loadgen.folders(names, root), strict=True)
        for number, (folder, row, logs) in enumerate(found):
            progress.step(number, len(rows), row.name)
            if row.latency_p50_ms is None:
                continue
            logs.mkdir(parents=True, exist_ok=True)
            for old in logs.glob(LOGS):
                old.unlink()
            try:
                summary = loadgen.run(folder, protocol, row.latency_p50_ms, logs, trust_code)
            except RunnerError as error:
                told.append(Told(f"{row.name}: LoadGen failed: {error.cause}", failed=True))
                continue
            told.append(Told(f"{row.name}: {loadgen.beside(row, summary)}; logs in {logs}"))
    return told
