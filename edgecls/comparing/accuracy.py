"""Accuracy of a row in both runs, image by image.

Images are paired by what is in them, so that a test split that was drawn anew or has grown is
compared on what both runs have; McNemar's exact test is of the images that one of them alone gets
right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecls.comparing.reading import Answers, Side
from edgecls.comparing.values import Change, Incomparable
from edgecls.core import Measurement
from edgecls.report import units
from edgecls.robustness.comparison import paired

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]


def change(old: Side, new: Side, before: Measurement, after: Measurement) -> Change:
    """The change with its p-value, not yet corrected; with the reason where it is not tested.

    Raises EdgeclsError for answers that are damaged.
    """
    try:
        _same_labels(old, new)
        first, second = old.answers(before), new.answers(after)
        here, there, notes = _matched(first, second, old.name, new.name)
    except Incomparable as error:
        return _untested(before, after, error.cause)
    found = paired(first.right[here], second.right[there])
    return Change(
        "accuracy",
        float(first.right[here].mean()),
        float(second.right[there].mean()),
        found.difference,
        found.low,
        found.high,
        found.p_value,
        notes=tuple(notes),
    )


def _untested(before: Measurement, after: Measurement, reason: str) -> Change:
    old, new = before.top1, after.top1
    value = None if old is None or new is None else new - old
    if old is None and new is None:
        reason = "neither run has an accuracy on test"
    return Change("accuracy", old, new, value, reason=reason)


def _same_labels(old: Side, new: Side) -> None:
    if old.labels is None or new.labels is None or old.labels == new.labels:
        return
    parts = [
        f"in {side.name} alone: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
        for side, other in ((old, new.labels), (new, old.labels))
        if (names := [label for label in side.labels or () if label not in other])
    ]
    raise Incomparable(f"the classes differ ({'; '.join(parts) or 'they stand in another order'})")


def _matched(
    old: Answers, new: Answers, old_name: str, new_name: str
) -> tuple[Indices, Indices, list[str]]:
    """Where the images that both have stand in each, and what is to be said of it."""
    import numpy as np

    if old.num_classes != new.num_classes:
        raise Incomparable(
            f"{old.num_classes} classes in {old_name}, {new.num_classes} in {new_name}"
        )
    if old.images is None or new.images is None:
        nameless = old_name if old.images is None else new_name
        if not np.array_equal(old.classes, new.classes):
            raise Incomparable(
                f"{nameless} does not say which images it was asked, and their classes differ"
            )
        every = np.arange(len(old.classes))
        return every, every, [f"images are paired by their order: {nameless} does not name them"]
    # An image that stands in a split twice counts once.
    common, here, there = np.intersect1d(old.images, new.images, return_indices=True)
    if not len(common):
        raise Incomparable("no test image is in both")
    notes = []
    counts = [len(np.unique(images)) for images in (old.images, new.images)]
    if counts != [len(common)] * 2:
        notes.append(
            f"on the {units.plural(len(common), 'test image')} that both have, of {counts[0]:,} in"
            f" {old_name} and {counts[1]:,} in {new_name}"
        )
    alike = old.classes[here] == new.classes[there]
    if not alike.all():
        moved = int((~alike).sum())
        notes.append(f"left out: {units.plural(moved, 'image')} of another class in {new_name}")
    if not alike.any():
        raise Incomparable("every test image is of another class")
    return here[alike], there[alike], notes
