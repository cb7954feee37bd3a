"""`evaluate`: how good a model is on images that it has not seen, and how good more would make it.

Everything long is a stage in the store beside the results, so a cross-validation that was stopped
goes on where it was.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls import __version__, hardware, report
from edgecls import data as datas
from edgecls.core import Logits
from edgecls.device.measure import probabilities
from edgecls.errors import EdgeclsError, UsageError, unknown_name
from edgecls.evaluation import PREDICTIONS, TABLE, Evaluation, Scored
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import marks
from edgecls.pipeline import folds, holdout, learning, mistakes, places, subject
from edgecls.pipeline.choice import Choice, choose
from edgecls.pipeline.events import Events
from edgecls.pipeline.holdout import Folder, Holdout
from edgecls.pipeline.nets import resolve
from edgecls.pipeline.parts import Maker, maker, pool
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
    goes, with a temperature fitted on validation.
    """

    subject: Path | None = None
    split: str | None = None
    folds: int | None = None
    sizes: tuple[float, ...] = ()
    net: str | None = None
    calibrated: Path | None = None
    trust_code: bool = False


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
        places.free(place, force, filter(None, [wish.subject]))
    model = subject.read(wish.subject, wish.trust_code) if wish.subject else None
    if model is not None:
        recipe = subject.as_trained(recipe, model)
    workshop = Workshop(Store(out.parent / STORE), recipe, events)
    folder = holdout.look(workshop)
    made = _maker(workshop, wish, model, folder) if retrain else None
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
    score = _score(workshop, wish, model, folder) if model else None
    if made is not None:
        found = _train_anew(workshop, wish, found, made, folder, model)

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
    if wish.subject is None and (wish.calibrated or wish.split):
        raise UsageError("no model is given to score", "give a checkpoint")
    if wish.calibrated and wish.calibrated.resolve() == out.resolve():
        raise UsageError(f"{out} is wanted for both results", "choose another folder with --out")


@dataclass(frozen=True)
class _Score:
    """A model's answers on images."""

    model: Model
    images: Holdout
    logits: Logits

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
        return replace(found, scored=scored, warnings=warnings, notes=notes)


def _score(workshop: Workshop, wish: Wish, model: Model, folder: Folder) -> _Score:
    images = holdout.choose(workshop, model, folder, wish.split)
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
    return _Score(model, images, logits)


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


def _maker(workshop: Workshop, wish: Wish, model: Model | None, folder: Folder) -> Maker:
    """The method and options of the model's own training, or of a net of the recipe."""
    if model is not None:
        about = model.provenance
        if not {"method", "options"} <= set(about):
            raise UsageError(
                f"{model.subject.path} does not say how it was trained",
                "name a net of a recipe: --recipe FILE --net NAME",
            )
        return maker(about["method"], about["options"], about.get("parents", {}))
    nets = {net.name: net for net in resolve(_choice(workshop.recipe, folder).models)}
    name = wish.net or next(iter(nets))
    if name not in nets:
        raise unknown_name("model", name, nets)
    net = nets[name]
    return maker(net.method.name, net.options.model_dump(), net.parents.values())


def _choice(recipe: Recipe, folder: Folder) -> Choice:
    return choose(datas.sniff(folder.listing), recipe.data, recipe.models)


def _train_anew(
    workshop: Workshop,
    wish: Wish,
    found: Evaluation,
    made: Maker,
    folder: Folder,
    model: Model | None,
) -> Evaluation:
    """`found` with cross-validation and learning curve."""
    recipe, listing = workshop.recipe, folder.listing
    preprocess = (model or _choice(recipe, folder)).preprocess
    images = pool(workshop.data(listing.root, folder.fingerprint, preprocess), listing.root)
    about: dict[str, Any] = {
        "method": made.method.name,
        "options": made.options.model_dump(),
        "seed": recipe.seed,
    }
    given = listing.given_splits
    return replace(
        found,
        recipe=about,
        folds=folds.cross_validate(workshop, made, images, wish.folds, given)
        if wish.folds is not None
        else None,
        curve=learning.learning_curve(workshop, made, images, wish.sizes) if wish.sizes else None,
    )
