"""Training anew on a part of the images, and scoring on another: each part is a stage of its own.

What was trained stays in the store, so a cross-validation that was stopped goes on where it was;
within one part, the training goes on with its last epoch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls import data as datas
from edgecls import methods
from edgecls.core import Classes, Dataset, Images, Logits, Method, Progress
from edgecls.device import stats
from edgecls.errors import UsageError
from edgecls.evaluation import Trained
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import marks
from edgecls.pipeline.workshop import Workshop, inputs_of
from edgecls.recipe import validated
from edgecls.rundir import write_text
from edgecls.store import Entry
from edgecls.train.calibration import calibration

Rows = NDArray[np.int64]
_MAX_CALIBRATION = 300


@dataclass(frozen=True)
class Part:
    """Rows of a `Pool` that train, choose and judge; no row is in two of them."""

    name: str
    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True)
class Pool:
    """All images of prepared data as one sequence: train, validation, test.

    key: of the stage that prepared them. starts: split -> its first row.
    marks: uint64[N], equal for images that the net cannot tell apart.
    """

    dataset: Dataset
    key: str
    classes: Classes
    marks: NDArray[np.uint64]
    starts: Mapping[str, int]

    def rows(self, split: str) -> Rows:
        """The rows of a split."""
        return np.arange(len(self.dataset[split][1]), dtype=np.int64) + self.starts[split]

    def images(self, rows: Rows) -> Images:
        """Those images, in that order; none is read before it is asked for."""
        return _Chosen(self, rows)


class _Chosen:
    """Rows of a pool, indexed as the array would be: no part is a copy of its images."""

    dtype = np.dtype(np.uint8)

    def __init__(self, pool: Pool, rows: Rows) -> None:
        self._pool, self._rows = pool, rows
        self.shape: tuple[int, ...] = (len(rows), *pool.dataset.preprocess.input_shape[1:])

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any, /) -> NDArray[np.uint8]:
        wanted = self._rows[key]
        rows = np.atleast_1d(wanted)
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for split, start in self._pool.starts.items():
            images = self._pool.dataset[split][0]
            inside = np.flatnonzero((rows >= start) & (rows < start + len(images)))
            if len(inside):
                found[inside] = images[rows[inside] - start]
        return found if np.ndim(wanted) else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        return self[:].astype(dtype or np.uint8, copy=False)


def pool(data: Entry, root: Path) -> Pool:
    """The images of a finished ``data`` stage. root: where they lie now."""
    dataset = datas.load(data.out, root)
    names = ("train", "validation", "test")
    sizes = [len(dataset[name][1]) for name in names]
    starts = dict(zip(names, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
    classes = np.concatenate([np.asarray(dataset[name][1]) for name in names])
    marked = np.concatenate([marks(dataset[name][0]) for name in names])
    return Pool(dataset, data.key, classes, marked, starts)


@dataclass(frozen=True)
class Maker:
    """How a part is trained: a method that needs no other model."""

    method: Method
    options: Any


def maker(name: str, options: Mapping[str, Any], parents: Iterable[str]) -> Maker:
    """The method with its validated options. Raises UsageError where it has parents.

    parents: the names of the models that it started from.
    """
    named = ", ".join(parents)
    if named:
        raise UsageError(
            f"{name} started from other models ({named}), which have seen the images that a fold "
            "would hold out",
            "evaluate a model that was trained from labels alone, such as its teacher",
        )
    method = methods.get(name)
    return Maker(method, validated(method.Options, options, name))


@dataclass(frozen=True)
class Answers:
    """A part's score, and its logits on the part's test rows."""

    trained: Trained
    logits: Logits


def answers(workshop: Workshop, maker: Maker, pool: Pool, part: Part) -> Answers:
    """Train on a part and score it."""
    rows = (part.train, part.validation, part.test)
    inputs = inputs_of(
        "part",
        packages=("edgecls", *maker.method.packages),
        method=[maker.method.name, maker.method.version],
        options=maker.options.model_dump(),
        data=pool.key,
        rows=[hashlib.sha256(each.tobytes()).hexdigest() for each in rows],
        seed=workshop.recipe.seed,
    )

    def build(out: Path, work: Path, progress: Progress) -> None:
        _train(workshop, maker, pool, part, out, work, progress)

    entry = workshop.make(f"{part.name}: {maker.method.name}", inputs, build)
    told = json.loads((entry.out / "trained.json").read_text(encoding="utf-8"))
    logits = np.load(entry.out / "logits.npy", allow_pickle=False)
    seconds = round(entry.seconds, 1)
    return Answers(Trained(**{**told, "name": part.name, "seconds": seconds}), logits)


def _train(
    workshop: Workshop,
    maker: Maker,
    pool: Pool,
    part: Part,
    out: Path,
    work: Path,
    progress: Progress,
) -> None:
    model = work / "model"
    model.mkdir(exist_ok=True)
    if not (model / checkpoints.JSON).exists():
        data = _dataset(pool, part)
        context = workshop.context(data, work, progress)
        _empty(model)
        maker.method.apply({}, maker.options, context, model)
    temperature = checkpoints.load(model).temperature
    source = CheckpointSource(model, work / "never-exported.onnx")
    logits = source.logits(pool.images(part.test))
    classes = pool.classes[part.test]
    right = int((logits.argmax(axis=1) == classes).sum())
    low, high = stats.wilson(right, len(classes))
    told = Trained(
        name=part.name,
        num_train=len(part.train),
        num_validation=len(part.validation),
        num_images=len(classes),
        top1=right / max(1, len(classes)),
        top1_low=low,
        top1_high=high,
        ece=calibration(logits, classes, temperature).ece,
        seconds=0.0,
    )
    np.save(out / "logits.npy", logits, allow_pickle=False)
    write_text(out / "trained.json", json.dumps(asdict(told)))


def _dataset(pool: Pool, part: Part) -> Dataset:
    """The part as a dataset whose test split stays out of the method's reach."""
    splits = {
        split: (pool.images(rows), pool.classes[rows])
        for split, rows in (
            ("train", part.train),
            ("validation", part.validation),
            ("calibration", part.train[:_MAX_CALIBRATION]),
        )
    }
    whole = pool.dataset
    return Dataset(whole.labels, whole.preprocess, splits, whole.fingerprint, whole.golden)


def _empty(folder: Path) -> None:
    """Remove what a method that was stopped while it wrote its checkpoint has left."""
    shutil.rmtree(folder)
    folder.mkdir()
