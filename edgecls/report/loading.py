"""A run folder, read for its report: what is missing is remembered, not raised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls.compared import Compared
from edgecls.core import Measurement, read_results
from edgecls.errors import EdgeclsError
from edgecls.quantize.climbing import Climb
from edgecls.report.metrics import confusion
from edgecls.report.operators import Operators
from edgecls.report.recommend import HOST_ONLY, Recommendation, explain
from edgecls.report.rows import is_measured, reference_row, title
from edgecls.rundir import RESULTS, Mistake, RunInfo, read_arrays, read_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# A mistake and the PNG that shows it.
Picture = tuple[Mistake, bytes]

_CONTACT = ("contact", "labels", "columns", "pitch")


@dataclass(frozen=True)
class Predictions:
    """A row's answers on the test split: true and predicted classes, int64[N].

    logits: float32[N, K]; over `temperature` they become probabilities.
    """

    row: Measurement
    classes: NDArray[np.int64]
    predicted: NDArray[np.int64]
    logits: NDArray[np.float32]
    temperature: float = 1.0

    @property
    def right(self) -> NDArray[np.bool_]:
        hits: NDArray[np.bool_] = self.classes == self.predicted
        return hits


@dataclass(frozen=True)
class Run:
    """All that a report shows.

    curves: model -> its epochs. predictions: of the row whose mistakes are shown, None where no
    row has any; baseline: of the reference's PyTorch row. pictures: of that row's worst mistakes.
    problems: what could not be read. contact: the JPEG of the contact sheet. augmented: model ->
    the JPEG of its augmented training images. climbs: row -> how it came to its int8. compared:
    None where nothing was compared; flips: sha256 -> PNG of what flipped in it. operators: what the
    recommended row spends its time on.

    origins: the name of each row's run, where rows of several are shown together; empty where they
    are one run's; references: the model that each of those runs compares its accuracies with.
    first: the number of its first row on the page; among: all runs of the page.
    """

    info: RunInfo
    rows: tuple[Measurement, ...]
    recommendation: Recommendation
    curves: Mapping[str, tuple[Mapping[str, Any], ...]]
    predictions: Predictions | None
    baseline: Predictions | None
    pictures: tuple[Picture, ...]
    problems: tuple[str, ...]
    contact: bytes | None = None
    augmented: Mapping[str, bytes] = field(default_factory=dict)
    climbs: Mapping[str, Climb] = field(default_factory=dict)
    compared: Compared | None = None
    flips: Mapping[str, bytes] = field(default_factory=dict)
    operators: Operators | None = None
    origins: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    first: int = 0
    among: tuple[str, ...] = ()

    def title(self, index: int) -> str:
        """A row's name, with its run's where there are several."""
        name = title(self.rows[index])
        return f"{self.origins[index]}: {name}" if self.origins else name


def load(run: Path) -> Run:
    """Raises EdgeclsError where run.json or a row of results.jsonl cannot be read."""
    info, problems = RunInfo.read(run), list[str]()
    rows: list[Measurement] = []
    if (run / RESULTS).is_file():
        rows = read_results(run / RESULTS)
        if not rows:
            raise EdgeclsError(f"{run / RESULTS} has no rows", "finish it with: edgecls run")
        if all(row.model != info.shipped for row in rows):
            problems.append(
                f"{RESULTS} has no row of {info.shipped}, which the run ships: some are missing"
            )
    else:
        problems.append(f"{RESULTS} is missing: the run was not measured, or not to its end")
    recommendation = explain(rows, info)
    shown = _row_of_mistakes(rows, info, recommendation)
    base = reference_row(rows, info.reference, HOST_ONLY)
    compared = _compared(run, info, problems)
    return Run(
        info=info,
        rows=tuple(rows),
        recommendation=recommendation,
        curves=_curves(run, info, problems),
        predictions=_predictions(run, shown, info, problems),
        baseline=None if base == shown else _predictions(run, base, info, problems),
        pictures=_mistakes(run, shown, problems),
        contact=_contact(run, info, problems),
        augmented=_augmented(run, info, problems),
        climbs=_climbs(run, rows, problems),
        compared=compared,
        flips=_flips(run, compared, problems),
        operators=_operators(run, recommendation.row, problems),
        problems=tuple(problems),
    )


def _climbs(run: Path, rows: list[Measurement], problems: list[str]) -> dict[str, Climb]:
    found = {}
    for row in rows:
        if "climb" in row.files:
            try:
                found[row.name] = Climb.from_json(read_file(run, row.files["climb"], "json"))
            except EdgeclsError as error:
                problems.append(f"the climb of {row.name}: {_without(run, error)}")
    return found


def _operators(run: Path, row: Measurement | None, problems: list[str]) -> Operators | None:
    if row is None or "operators" not in row.files:
        return None
    try:
        return Operators.from_json(read_file(run, row.files["operators"], "json"))
    except EdgeclsError as error:
        problems.append(f"operators of {row.name}: {_without(run, error)}")
        return None


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
        heat = next((model.temperature for model in info.models if model.name == row.model), 1.0)
        return Predictions(row, classes, predicted, logits, heat)
    return None


def _mistakes(run: Path, row: Measurement | None, problems: list[str]) -> tuple[Picture, ...]:
    if row is None or "mistakes" not in row.files:
        return ()
    try:
        listed = json.loads(read_file(run, row.files["mistakes"], "json"))
        return pictures(run, [Mistake(**each) for each in listed])
    except EdgeclsError as error:
        problems.append(f"mistakes of {row.name}: {_without(run, error)}")
    except (ValueError, TypeError):
        problems.append(f"mistakes of {row.name}: the file is not of this format")
    return ()


def pictures(folder: Path, mistakes: Sequence[Mistake]) -> tuple[Picture, ...]:
    """Each mistake with its PNG. Raises EdgeclsError where a file is missing or has changed."""
    return tuple((each, read_file(folder, each.picture, "png")) for each in mistakes)


def _contact(run: Path, info: RunInfo, problems: list[str]) -> bytes | None:
    """The contact sheet's JPEG; an older run has none."""
    pictures = info.data.get("pictures")
    if not isinstance(pictures, Mapping) or not {*_CONTACT} <= set(pictures):
        return None
    try:
        return read_file(run, str(pictures["contact"]), "jpg")
    except EdgeclsError as error:
        problems.append(f"contact sheet: {_without(run, error)}")
        return None


def _augmented(run: Path, info: RunInfo, problems: list[str]) -> dict[str, bytes]:
    found = {}
    for model in info.models:
        if not {"picture", *_CONTACT[1:]} <= set(model.augmented):
            continue
        try:
            found[model.name] = read_file(run, str(model.augmented["picture"]), "jpg")
        except EdgeclsError as error:
            problems.append(f"augmented images of {model.name}: {_without(run, error)}")
    return found


def _compared(run: Path, info: RunInfo, problems: list[str]) -> Compared | None:
    if info.compared is None:
        return None
    try:
        return Compared.from_json(read_file(run, info.compared, "json"))
    except EdgeclsError as error:
        problems.append(f"comparisons of the models: {_without(run, error)}")
        return None


def _flips(run: Path, compared: Compared | None, problems: list[str]) -> dict[str, bytes]:
    try:
        return flipped(run, compared)
    except EdgeclsError as error:
        problems.append(f"pictures of flipped images: {_without(run, error)}")
        return {}


def flipped(folder: Path, compared: Compared | None) -> dict[str, bytes]:
    """sha256 -> PNG. Raises EdgeclsError where a file is missing or has changed."""
    wanted = [] if compared is None else [flip for c in compared.comparisons for flip in c.flips]
    return {flip.picture: read_file(folder, flip.picture, "png") for flip in wanted}


def _without(run: Path, error: EdgeclsError) -> str:
    """The cause with paths from the run folder on: the report leaves this machine."""
    return error.cause.replace(f"{run}/", "")
