"""`evaluate`: how good a model is on images that it has not seen, and how good more would make it.

Everything long is a stage in the store beside the results, so a cross-validation that was stopped
goes on where it was.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls import __version__, hardware, report
from edgecls.core import Logits
from edgecls.device.measure import probabilities
from edgecls.errors import EdgeclsError, UsageError
from edgecls.evaluation import PREDICTIONS, TABLE, Evaluation, Scored
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import marks
from edgecls.pipeline import against, anew, holdout, learning, mistakes, places, subject
from edgecls.pipeline.events import Events
from edgecls.pipeline.holdout import Folder, Holdout
from edgecls.pipeline.subject import Model
from edgecls.pipeline.workshop import Workshop
from edgecls.recipe import Recipe
from edgecls.store import Store
from edgecls.train.calibration import calibration, fit_temperature
from edgecls.train.metrics import confusion, summarize
from edgecls.world import world

STORE = ".store"


@dataclass(frozen=True)
class Wish:
    """What is to be evaluated, and how.

    subject: a checkpoint or a bundle; None trains `net` of the recipe (None: its first) anew for
    `folds` and `sizes` (shares of the training images). calibrated: where a copy of the checkpoint
    goes, with a temperature fitted on validation. against: a model to compare the subject with.
    """

    subject: Path | None = None
    split: str | None = None
    folds: int | None = None
    sizes: tuple[float, ...] = ()
    net: str | None = None
    calibrated: Path | None = None
    trust_code: bool = False
    against: Path | None = None


def evaluate(
    wish: Wish, recipe: Recipe, out: Path, command: str, events: Events, force: bool = False
) -> Evaluation:
    """Evaluate on the recipe's images and write the results and their report to `out`.

    command: what the report names as the way to reproduce it.
    """
    begin = datetime.now(UTC)
    retrain = bool(wish.folds or wish.sizes)
    _check(wish, retrain, out)
    for place in filter(None, (out, wish.calibrated)):
        places.check(recipe.data.path, place)
        places.free(place, force, filter(None, [wish.subject, wish.against]))
    model = subject.read(wish.subject, wish.trust_code) if wish.subject else None
    other = None
    if model is not None and wish.against is not None:
        other = against.read(wish.against, model, wish.trust_code)
    if model is not None:
        recipe = subject.as_trained(recipe, model.provenance)
    workshop = Workshop(Store(out.parent / STORE), recipe, events)
    folder = holdout.look(workshop)
    # Whatever is wrong with the training anew is told before anything is scored.
    training = None
    if retrain:
        training = anew.plan(workshop, model, folder, wish.net, wish.folds, wish.sizes)
    found = Evaluation(
        name=out.name,
        command=command,
        created=begin.isoformat(timespec="seconds"),
        version=__version__,
        source=recipe.data.path,
        labels=model.labels if model else folder.listing.labels,
        environment={
            **hardware.environment(),
            **hardware.versions(("torch", "torchvision", "numpy")),
        },
    )
    score = _score(workshop, wish, model, folder, other) if model else None
    if training is not None:
        found = training.train(workshop, found)

    def write(part: Path) -> None:
        whole = score.write(part, found) if score else found
        whole.write(part)
        report.write_report(part)

    if score is not None and wish.calibrated is not None:
        _write_calibrated(score.model, wish.calibrated)
    places.place(out, write)
    return Evaluation.read(out)


def _check(wish: Wish, retrain: bool, out: Path) -> None:
    if world().size > 1:
        raise UsageError("an evaluation is the work of one process", "start it without torchrun")
    if wish.subject is None and not retrain:
        raise UsageError(
            "there is nothing to evaluate",
            "give a checkpoint or a bundle, or train anew with --folds or --learning-curve",
        )
    if wish.subject is None and (wish.calibrated or wish.split or wish.against):
        raise UsageError("no model is given to score", "give a checkpoint")
    if wish.subject is not None and wish.net is not None:
        raise UsageError(
            f"--net names a model of the recipe, and {wish.subject} is evaluated",
            "leave one of the two out",
        )
    if wish.sizes:
        learning.ascending(wish.sizes)
    if wish.calibrated and wish.calibrated.resolve() == out.resolve():
        raise UsageError(f"{out} is wanted for both results", "choose another folder with --out")


@dataclass(frozen=True)
class _Score:
    """A model's answers on images. pair: with another model's, where one was asked for."""

    model: Model
    images: Holdout
    logits: Logits
    pair: against.Pair | None = None

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of each answer."""
        sure: NDArray[np.float64] = probabilities(self.logits, self.model.subject.temperature).max(
            axis=1
        )
        return sure

    def write(self, folder: Path, found: Evaluation) -> Evaluation:
        """`found` with this score, whose files are written into `folder`."""
        images, heat = self.images, self.model.subject.temperature
        classes, said = np.asarray(images.classes), self.logits.argmax(axis=1)
        np.savez_compressed(
            folder / PREDICTIONS, allow_pickle=False, classes=classes, logits=self.logits
        )
        _write_table(folder / TABLE, self)
        matrix = confusion(said, classes, len(found.labels))
        scored = Scored(
            subject=self.model.subject,
            split=images.split,
            metrics=summarize(self.logits, classes, found.labels, heat),
            calibrated=asdict(calibration(self.logits, classes, heat)),
            raw=asdict(calibration(self.logits, classes)),
            confusion=tuple((int(i), int(j), int(matrix[i, j])) for i, j in np.argwhere(matrix)),
            mistakes=mistakes.worst(
                folder,
                self.logits,
                classes,
                images.images,
                images.files,
                heat,
                self.model.preprocess,
            ),
            skipped=images.skipped,
        )
        warnings, notes = (*images.warnings, *found.warnings), (*images.notes, *found.notes)
        found = replace(found, scored=scored, warnings=warnings, notes=notes)
        if self.pair is None:
            return found
        mode = self.model.preprocess.mode
        return replace(found, compared=self.pair.write(folder, images, mode))


def _score(
    workshop: Workshop, wish: Wish, model: Model, folder: Folder, other: Model | None
) -> _Score:
    images = holdout.choose(workshop, model, folder, wish.split)
    if other is not None:
        images = against.without_seen(images, model, other, wish.split)
    if wish.calibrated is not None:
        model, images = _calibrate(workshop, model, folder, images)
    for warning in images.warnings:
        workshop.events.note(f"warning: {warning}")
    with workshop.events.stage("scoring"):
        logits = model.logits(images.images)
    if not np.isfinite(logits).all():
        raise EdgeclsError(
            f"{model.subject.path}: its logits are not finite", "train or export it again"
        )
    if other is None:
        return _Score(model, images, logits)
    pair = against.answer(workshop, images, model, other, logits, wish.trust_code)
    return _Score(model, images, logits, pair)


def _calibrate(
    workshop: Workshop, model: Model, folder: Folder, images: Holdout
) -> tuple[Model, Holdout]:
    """`model` with a temperature fitted on validation, and `images` without any of these."""
    if model.subject.kind != "checkpoint":
        raise UsageError(
            f"{model.subject.path} is a bundle, whose temperature is fixed",
            "calibrate the checkpoint, and export it again",
        )
    used = holdout.named_split(workshop, model, folder, "validation")
    kept = images.keep(~np.isin(marks(images.images), marks(used.images)))
    if not kept.files:
        raise UsageError(
            "the temperature would be fitted on the images that are scored",
            "score another split, such as --split test",
        )
    temperature = fit_temperature(model.logits(used.images), used.classes)
    heated = replace(model, subject=replace(model.subject, temperature=temperature))
    count = len(used.files)
    note = f"temperature {temperature:.3g} was fitted on {count} validation images"
    return heated, replace(kept, notes=(*kept.notes, note))


def _write_calibrated(model: Model, out: Path) -> None:
    source, heat = checkpoints.load(Path(model.subject.path)), model.subject.temperature
    places.place(out, lambda part: checkpoints.copy_calibrated(source, heat, part))


def _write_table(path: Path, score: _Score) -> None:
    """A line for each image; names that are not UTF-8 are shown as their escapes already."""
    labels, said = score.model.labels, score.logits.argmax(axis=1)
    sure = score.confidence
    with path.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(("file", "class", "answer", "confidence"))
        for row, file in enumerate(score.images.files):
            true = labels[int(score.images.classes[row])]
            lines.writerow((file, true, labels[int(said[row])], f"{sure[row]:.6f}"))
