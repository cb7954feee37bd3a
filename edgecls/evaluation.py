"""The folder of an evaluation: what `edgecls evaluate` found, from which alone its report is made.

``evaluation.json`` (this module's `Evaluation`), ``predictions.npz`` (``classes``, ``logits``),
``predictions.csv`` (a line an image) and ``files/<sha256>.png``, the pictures of the mistakes and
of the images that are answered otherwise by the model that it is compared with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgecls.compared import Compared, built
from edgecls.errors import EdgeclsError
from edgecls.rundir import Mistake, write_text

NAME, PREDICTIONS, TABLE = "evaluation.json", "predictions.npz", "predictions.csv"
FORMAT = 2
# Format 1 knew no comparison.
READABLE = (1, FORMAT)


@dataclass(frozen=True)
class Subject:
    """What was evaluated. kind: ``checkpoint`` or ``bundle``; about: its arch, or its runtime.

    sha256: of the weights, or of the bundle. temperature: what its logits are divided by.
    """

    kind: str
    path: str
    about: str
    sha256: str
    temperature: float


@dataclass(frozen=True)
class Scored:
    """The score on images that were not trained on, unless a warning says so.

    metrics: see `summarize`, at the subject's temperature. calibrated and raw: see `Calibration`,
    at that temperature and at 1. confusion: (true class, answer, count) of every pair that
    occurs. skipped: {file, reason}.
    """

    subject: Subject
    split: str
    metrics: Mapping[str, Any]
    calibrated: Mapping[str, Any]
    raw: Mapping[str, Any]
    confusion: tuple[tuple[int, int, int], ...]
    mistakes: tuple[Mistake, ...]
    skipped: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Trained:
    """One training on a part of the images, and its score on images that it has not seen."""

    name: str
    num_train: int
    num_validation: int
    num_images: int
    top1: float
    top1_low: float
    top1_high: float
    ece: float
    seconds: float


@dataclass(frozen=True)
class Folds:
    """Cross-validation. std: of the folds' top-1; low, high: the 95 % interval of their mean."""

    parts: tuple[Trained, ...]
    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """Trainings on ever more images, all scored on the same ones.

    gain_per_doubling: of top-1, from the last two sizes. p_value: McNemar's, of these two.
    """

    parts: tuple[Trained, ...]
    gain_per_doubling: float
    p_value: float


@dataclass(frozen=True)
class Evaluation:
    """All that an evaluation found. recipe: {method, options, seed} of what was trained anew."""

    name: str
    command: str
    created: str
    version: str
    source: str
    labels: tuple[str, ...]
    scored: Scored | None = None
    folds: Folds | None = None
    curve: LearningCurve | None = None
    compared: Compared | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write evaluation.json beside and rename it into place."""
        # Escapes carry file names that are not UTF-8.
        write_text(folder / NAME, json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def read(folder: Path) -> Evaluation:
        """Raises EdgeclsError where `folder` holds no evaluation of this format."""
        path = folder / NAME
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] not in READABLE:
                raise EdgeclsError(f"{path}: unknown format {data['format']!r}", "evaluate again")
            for name in ("labels", "warnings", "notes"):
                data[name] = tuple(data[name])
            data["scored"] = _scored(data["scored"]) if data["scored"] else None
            data["folds"] = _with_parts(Folds, data["folds"])
            data["curve"] = _with_parts(LearningCurve, data["curve"])
            data["compared"] = built(Compared | None, data.get("compared"))
            return Evaluation(**data)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EdgeclsError(f"{path} cannot be read: {error}", "evaluate again") from error


def _scored(data: dict[str, Any]) -> Scored:
    data["subject"] = Subject(**data["subject"])
    data["confusion"] = tuple((int(a), int(b), int(n)) for a, b, n in data["confusion"])
    data["mistakes"] = tuple(Mistake(**each) for each in data["mistakes"])
    data["skipped"] = tuple(data["skipped"])
    return Scored(**data)


def _with_parts(kind: Any, data: dict[str, Any] | None) -> Any:
    if data is None:
        return None
    return kind(**{**data, "parts": tuple(Trained(**part) for part in data["parts"])})
