"""A run folder, read for its report: what is missing is remembered, not raised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls.core import Measurement, read_results
from edgecls.errors import EdgeclsError
from edgecls.report.metrics import confusion
from edgecls.report.recommend import HOST_ONLY, Recommendation, explain
from edgecls.report.rows import is_measured, reference_row
from edgecls.rundir import RESULTS, RunInfo, read_arrays, read_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Predictions:
    """A row's answers on the test split: true and predicted classes, int64[N]."""

    row: Measurement
    classes: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        hits: NDArray[np.bool_] = self.classes == self.predicted
        return hits


@dataclass(frozen=True)
class Run:
    """All that a report shows.

    curves: model -> its epochs. predictions: of the row whose mistakes are shown, None where no
    row has any; baseline: of the reference's PyTorch row. problems: what could not be read.
    """

    info: RunInfo
    rows: tuple[Measurement, ...]
    recommendation: Recommendation
    curves: Mapping[str, tuple[Mapping[str, Any], ...]]
    predictions: Predictions | None
    baseline: Predictions | None
    problems: tuple[str, ...]


def load(run: Path) -> Run:
    """Raises EdgeclsError where run.json or a row of results.jsonl cannot be read."""
    info, problems = RunInfo.read(run), list[str]()
    rows: list[Measurement] = []
    if (run / RESULTS).is_file():
        rows = read_results(run / RESULTS)
    else:
        problems.append(f"{RESULTS} is missing: the run was not measured, or not to its end")
    recommendation = explain(rows, info)
    shown = _row_of_mistakes(rows, info, recommendation)
    base = reference_row(rows, info.reference, HOST_ONLY)
    return Run(
        info=info,
        rows=tuple(rows),
        recommendation=recommendation,
        curves=_curves(run, info, problems),
        predictions=_predictions(run, shown, info, problems),
        baseline=None if base == shown else _predictions(run, base, info, problems),
        problems=tuple(problems),
    )


def _row_of_mistakes(
    rows: list[Measurement], info: RunInfo, recommendation: Recommendation
) -> Measurement | None:
    """The recommended row, else a measured one of the shipped model, else of any."""
    if recommendation.row is not None and "predictions" in recommendation.row.files:
        return recommendation.row
    able = [row for row in rows if is_measured(row) and "predictions" in row.files]
    return next((row for row in able if row.model == info.shipped), next(iter(able), None))


def _curves(
    run: Path, info: RunInfo, problems: list[str]
) -> dict[str, tuple[Mapping[str, Any], ...]]:
    found: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for model in info.models:
        if model.curves is None:
            continue
        try:
            epochs = json.loads(read_file(run, model.curves, "json"))["epochs"]
            found[model.name] = tuple(epoch for epoch in epochs if isinstance(epoch, dict))
        except EdgeclsError as error:
            problems.append(f"training curves of {model.name}: {_without(run, error)}")
        except (ValueError, KeyError, TypeError):
            problems.append(f"training curves of {model.name}: the file is not of this format")
    return found


def _predictions(
    run: Path, row: Measurement | None, info: RunInfo, problems: list[str]
) -> Predictions | None:
    if row is None or "predictions" not in row.files:
        return None
    try:
        arrays = read_arrays(run, row.files["predictions"])
        classes, logits = arrays["test_classes"], arrays["test_logits"]
        predicted = logits.argmax(axis=1)
        confusion(classes, predicted, len(info.labels))
    except EdgeclsError as error:
        problems.append(f"predictions of {row.name}: {_without(run, error)}")
    except (ValueError, KeyError, OSError):
        problems.append(f"predictions of {row.name}: the file does not fit the run's classes")
    else:
        return Predictions(row, classes, predicted)
    return None


def _without(run: Path, error: EdgeclsError) -> str:
    """The cause with paths from the run folder on: the report leaves this machine."""
    return error.cause.replace(f"{run}/", "")
