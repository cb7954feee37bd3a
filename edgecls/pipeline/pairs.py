"""One comparison: a model against its source on the same images, with the pictures that flipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls.compared import Comparison, Flip, Side
from edgecls.core import Images, Logits
from edgecls.device.measure import probabilities
from edgecls.pipeline import hardness, mistakes
from edgecls.pipeline.hardness import Answered, Changed
from edgecls.robustness.comparison import chosen_flips, class_changes, excess, paired
from edgecls.rundir import add_file
from edgecls.train.calibration import calibration

# Of a comparison; more would not be looked at.
MOST_FLIPS = 12


@dataclass(frozen=True)
class Judged:
    """A model's answers. logits: float32[N, K] of all images; answered: of the changed ones."""

    name: str
    logits: Logits
    temperature: float
    answered: Answered | None = None

    @property
    def said(self) -> NDArray[np.int64]:
        answers: NDArray[np.int64] = self.logits.argmax(axis=1)
        return answers


@dataclass(frozen=True)
class Shown:
    """The images of a comparison. folder: where pictures are kept; mode: of the pixels."""

    folder: Path
    images: Images
    classes: NDArray[np.int64]
    files: Sequence[str]
    mode: str


def compare(
    model: Judged, source: Judged, step: str, shown: Shown, changed: Changed | None
) -> Comparison:
    """What `model` is against `source`; its p-value is not yet corrected.

    changed: the images that `answered` of both is about, None where these were not asked.
    """
    classes, before, after = shown.classes, source.said, model.said
    found = Comparison(
        model=_side(model, classes, changed),
        source=_side(source, classes, changed),
        step=step,
        paired=paired(before == classes, after == classes),
        flipped=int((before != after).sum()),
        classes=class_changes(classes, before == classes, after == classes),
        flips=_flips(model, source, shown),
    )
    if changed is None or model.answered is None or source.answered is None:
        return found
    return _with_excess(found, model, source, changed, classes)


def _with_excess(
    found: Comparison, model: Judged, source: Judged, changed: Changed, classes: NDArray[np.int64]
) -> Comparison:
    assert model.answered is not None and source.answered is not None
    clean = [(each.said == classes)[changed.rows] for each in (source, model)]
    both = (source.answered, model.answered)
    corrupted = [
        hardness.right(each, mine, changed) for each, mine in zip(both, clean, strict=True)
    ]
    attacked = None
    # White box against white box alone: images that were made for another net are weaker.
    if not model.answered.crafted_on and not source.answered.crafted_on:
        pair = [
            hardness.right_attacked(each, mine, changed)
            for each, mine in zip(both, clean, strict=True)
        ]
        attacked = excess(*pair) if all(each.changed.size for each in pair) else None
    return replace(found, corrupted=excess(*corrupted), attacked=attacked)


def _side(judged: Judged, classes: NDArray[np.int64], changed: Changed | None) -> Side:
    right = judged.said == classes
    found = None
    if changed is not None and judged.answered is not None:
        found = hardness.hardness(judged.answered, right[changed.rows], changed)
    return Side(
        name=judged.name,
        top1=float(right.mean()),
        ece=calibration(judged.logits, classes, judged.temperature).ece,
        temperature=judged.temperature,
        hardness=found,
    )


def _flips(model: Judged, source: Judged, shown: Shown) -> tuple[Flip, ...]:
    before, after = source.said, model.said
    rows = np.arange(len(shown.classes))
    sure_before = probabilities(source.logits, source.temperature)[rows, before]
    sure_after = probabilities(model.logits, model.temperature)[rows, after]
    chosen = chosen_flips(shown.classes, before, after, sure_after, MOST_FLIPS)
    return tuple(
        Flip(
            file=shown.files[row],
            true=int(shown.classes[row]),
            before=int(before[row]),
            after=int(after[row]),
            sure_before=float(sure_before[row]),
            sure_after=float(sure_after[row]),
            picture=add_file(shown.folder, mistakes.picture(shown.images[row], shown.mode), "png"),
        )
        for row in chosen.tolist()
    )
