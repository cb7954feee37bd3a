"""The folder of a run, from which alone its report is made.

``run.json`` (this module's `RunInfo`), ``results.jsonl`` (one `Measurement` a line) and
``files/<sha256>.<kind>``, the side files that rows and models name by hash (those of a file of
rows by ``edgecls bench`` are beside it):

- curves ``.json``: ``{"epochs": [{…}]}``, each ``epoch``, ``lr``, ``train_loss``, ``val_loss``,
  ``val_top1``, ``seconds``
- predictions ``.npz``: ``val_classes``, ``val_logits``, ``test_classes``, ``test_logits``, and
  ``test_images``: uint8[N, 32], the sha256 of each test image's file, by which two runs pair them;
  of a bundle on a device ``test_predicted`` and ``num_classes`` in place of logits
- mistakes ``.json``: a list of `Mistake`, the most confident first; their pictures are ``.png``
- climb ``.json``: how a row came to its int8, `edgecls.quantize.climbing.Climb`
- latencies ``.npz``: ``latency_ms``, ``launch``, ``round`` of every query, in order
- operators ``.json``: where a query's time goes, by the runtime's own profiler: ``{"profiler",
  "queries", "operators": [{"name", "type", "ms"}]}``, in the order of execution; of the
  recommended rows
- contact ``.jpg``: training images, one row a class
- comparisons ``.json``: a `Compared` of `edgecls.compared`; its pictures are ``.png``
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls.errors import EdgeclsError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

INFO, RESULTS, FILES = "run.json", "results.jsonl", "files"
REPORTS = ("report.html", "report.md", "report.svg")
FORMAT = 1


@dataclass(frozen=True)
class Budget:
    """What a row must hold to be recommended.

    max_drop: accuracy below the reference model's, as a fraction of 1. The others are limits of
    the row's own p90 and size; None is no limit.
    """

    max_drop: float = 0.01
    max_latency_ms: float | None = None
    max_size_bytes: int | None = None


@dataclass(frozen=True)
class Mistake:
    """An image whose answer was wrong. picture: sha256 of the side file ``.png`` that shows it.

    true, said: numbers of classes; confidence: the probability of the answer.
    """

    file: str
    true: int
    said: int
    confidence: float
    picture: str


@dataclass(frozen=True)
class ModelInfo:
    """One checkpoint of the run. curves: sha256 of its training curves, or None.

    temperature: what its logits are divided by before they become probabilities. augmented:
    ``picture``, the sha256 of a ``jpg`` of augmented training images, and what is in it.
    """

    name: str
    arch: str
    method: str
    parents: tuple[str, ...]
    options: Mapping[str, Any]
    num_params: int
    macs: int
    size_bytes: int
    metrics: Mapping[str, Any]
    edits: tuple[Mapping[str, Any], ...] = ()
    curves: str | None = None
    temperature: float = 1.0
    augmented: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageInfo:
    """One finished stage. seconds: as it took when it was computed."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class RunInfo:
    """What a run was about: everything of the report that is not a row.

    reference: the model that accuracy is compared with; shipped: the one that was exported.
    data: ``source``, ``splits`` (name -> label -> count), ``skipped`` ([{file, reason}]),
    ``duplicates`` ([{file, same_as}]), ``notes``, ``pictures`` (``contact``: sha256 of the contact
    sheet; ``labels`` of its rows, ``columns``, and ``pitch``, the pixels from row to row).
    plan: ``reasons`` (sentences), ``minutes``. compared: sha256 of the comparisons, or None.
    """

    name: str
    command: str
    created: str
    version: str
    seed: int
    reference: str
    shipped: str
    labels: tuple[str, ...]
    budget: Budget
    data: Mapping[str, Any]
    plan: Mapping[str, Any]
    models: tuple[ModelInfo, ...]
    stages: tuple[StageInfo, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    compared: str | None = None
    format: int = FORMAT

    def write(self, run: Path) -> None:
        """Write run.json beside and rename it into place."""
        # Escapes carry file names that are not UTF-8.
        write_text(run / INFO, json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def read(run: Path) -> RunInfo:
        """Raises EdgeclsError where `run` is no run folder."""
        try:
            data = json.loads((run / INFO).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise EdgeclsError(
                f"{run} is not a finished run: it has no {INFO}",
                "make one, or finish it, with: edgecls run",
            ) from error
        except ValueError as error:
            raise EdgeclsError(f"{run / INFO} is damaged: {error}", "run it again") from error
        found = data.get("format") if isinstance(data, dict) else None
        if found != FORMAT:
            raise EdgeclsError(f"{run / INFO}: unknown format {found!r}", "run it again")
        try:
            data["models"] = tuple(_build(ModelInfo, m) for m in data["models"])
            data["stages"] = tuple(_build(StageInfo, s) for s in data["stages"])
            data["budget"] = _build(Budget, data["budget"])
            info: RunInfo = _build(RunInfo, data)
        except (KeyError, TypeError) as error:
            raise EdgeclsError(f"{run / INFO} is damaged: {error}", "run it again") from error
        return info


def is_part(path: Path, run: Path) -> bool:
    """Whether `path` is what a comparison reads of a run's folder or of a file of rows, or a run's
    own report."""
    file, own = path.resolve(), run.resolve()
    folder = own.parent if own.is_file() else own
    names = (INFO, RESULTS, *REPORTS) if own.is_dir() else (INFO, RESULTS)
    return file in {own, *(folder / name for name in names)} or folder / FILES in file.parents


def _build(kind: Any, data: Mapping[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    if not needed <= set(data) <= known:
        raise EdgeclsError(f"{INFO}: fields of {kind.__name__} do not fit", "run it again")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def check_new(path: Path, force: bool) -> None:
    """Raises UsageError where a file at `path` would replace something, unless `force`."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "name a file in it")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already", "choose another file, or add --force")


def write_text(path: Path, text: str) -> None:
    """Write a text file beside and rename it into place."""
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def add_file(run: Path, data: bytes, kind: str) -> str:
    """Keep a side file of a kind (its suffix, such as ``npz``); returns its sha256."""
    digest = hashlib.sha256(data).hexdigest()
    path = run / FILES / f"{digest}.{kind}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_bytes(data)
        beside.replace(path)
    return digest


def add_arrays(run: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Keep arrays as a compressed .npz; returns its sha256."""
    import numpy as np

    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return add_file(run, stream.getvalue(), "npz")


def read_file(run: Path, digest: str, kind: str) -> bytes:
    """A side file's bytes. Raises EdgeclsError where it is missing or has changed."""
    path = run / FILES / f"{digest}.{kind}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EdgeclsError(f"the run's side file {path} is missing", "run it again") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise EdgeclsError(f"the run's side file {path} has changed", "run it again")
    return data


def read_arrays(run: Path, digest: str) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz side file; never unpickles."""
    import numpy as np

    with np.load(io.BytesIO(read_file(run, digest, "npz")), allow_pickle=False) as data:
        return dict(data)
