"""An evaluation's second model, which the first is compared with: its source, or any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecls.compared import Compared
from edgecls.core import Logits
from edgecls.errors import EdgeclsError, UsageError
from edgecls.models.checkpoint import marks
from edgecls.pipeline import hardness, subject
from edgecls.pipeline.hardness import Answered, Changed
from edgecls.pipeline.holdout import Holdout
from edgecls.pipeline.pairs import Judged, Shown, compare
from edgecls.pipeline.subject import Model
from edgecls.pipeline.workshop import Workshop

STEP = "as asked"


def read(path: Path, model: Model, trust_code: bool) -> Model:
    """The other model. Raises UsageError where the two cannot answer the same images."""
    if path.resolve() == Path(model.subject.path).resolve():
        raise UsageError(f"{path} would be compared with itself", "give another model to --against")
    other = subject.read(path, trust_code)
    if other.labels != model.labels:
        raise UsageError(
            f"{path} knows other classes than {model.subject.path}, or in another order",
            "compare two models of the same classes",
        )
    if other.preprocess != model.preprocess:
        raise UsageError(
            f"{path} takes its images otherwise than {model.subject.path} (size, colours or crop)",
            "compare two models of one run; score each on its own to see their accuracies",
        )
    return other


def without_seen(images: Holdout, model: Model, other: Model, split: str | None) -> Holdout:
    """`images` without those that the other model has seen; of a split that was asked for, all.

    Raises UsageError where nothing is left.
    """
    name = other.subject.path
    seen = np.isin(marks(images.images), other.seen)
    count = int(seen.sum())
    if not count:
        known = len(other.seen) or _same_training(model, other)
        text = f"it is not known on which images {name} was trained"
        return images if known else replace(images, warnings=(*images.warnings, text))
    if split is not None:
        text = f"{name} was trained or chosen on {count} of these {len(seen)} images"
        return replace(images, warnings=(*images.warnings, text))
    if seen.all():
        raise UsageError(
            f"{name} was trained or chosen on every image that {model.subject.path} has not seen",
            "give a test set of its own with --data, or name a split with --split",
        )
    note = f"{count} of {len(seen)} images left out: {name} was trained or chosen on them"
    kept = images.keep(~seen)
    return replace(kept, notes=(*kept.notes, note))


def _same_training(model: Model, other: Model) -> bool:
    """Whether both were trained on the same split of the same images."""
    both = (model.provenance, other.provenance)
    return all(
        both[0].get(key) is not None and both[0].get(key) == both[1].get(key)
        for key in ("data", "seed")
    )


@dataclass(frozen=True)
class Pair:
    """Both models' answers on the same images; their comparison needs a place for its pictures."""

    model: Judged
    other: Judged
    changed: Changed | None
    notes: tuple[str, ...]
    max_drop: float
    max_excess: float

    def write(self, folder: Path, images: Holdout, mode: str) -> Compared:
        """The comparison, whose pictures become side files of `folder`."""
        shown = Shown(folder, images.images, np.asarray(images.classes), images.files, mode)
        found = compare(self.model, self.other, STEP, shown, self.changed)
        constants = self.changed.constants if self.changed else ""
        return Compared((found,), self.max_drop, self.max_excess, constants, self.notes)


def answer(
    workshop: Workshop, images: Holdout, model: Model, other: Model, logits: Logits, trust: bool
) -> Pair:
    """Let both answer. logits: the first model's, of the images. trust: their runners' code."""
    section = workshop.recipe.robustness
    with workshop.events.stage(f"scoring {other.subject.path}"):
        others = other.logits(images.images)
    if not np.isfinite(others).all():
        raise EdgeclsError(
            f"{other.subject.path}: its logits are not finite", "train or export it again"
        )
    changed: Changed | None = None
    answered: list[Answered | None] = [None, None]
    notes: tuple[str, ...] = ()
    if section.enabled:
        changed = hardness.draw(
            section, images.images, images.classes, model.preprocess.mode, workshop.recipe.seed
        )
        answered, notes = _answered(workshop, (model, other), changed, trust)
    return Pair(
        model=_judged(model, logits, answered[0]),
        other=_judged(other, others, answered[1]),
        changed=changed,
        notes=notes,
        max_drop=workshop.recipe.budget.max_drop,
        max_excess=section.max_excess,
    )


def _judged(model: Model, logits: Logits, answered: Answered | None) -> Judged:
    return Judged(model.subject.path, logits, model.subject.temperature, answered)


def _answered(
    workshop: Workshop, models: Sequence[Model], changed: Changed, trust: bool
) -> tuple[list[Answered | None], tuple[str, ...]]:
    """Checkpoints first: a bundle gets the images that were made against the checkpoint."""
    found: list[Answered | None] = [None] * len(models)
    source, crafted_on, notes = Answered({}, {}), "", list[str]()
    for place, model in enumerate(models):
        if model.subject.kind == "checkpoint":
            path = model.subject.path
            mine = hardness.of_checkpoint(workshop, path, Path(path), changed)
            found[place], source, crafted_on = mine, mine, path
            if mine.reason:
                notes.append(f"{path} was not attacked: {mine.reason}")
    for place, model in enumerate(models):
        if found[place] is None:
            path = model.subject.path
            found[place] = hardness.of_bundle(
                workshop, path, Path(path), crafted_on, source, changed, trust
            )
    if not crafted_on and changed.attacks:
        notes.append("Bundles have no gradient: an attack needs the checkpoint of one of them.")
    return found, tuple(notes)
