"""Which images of a folder a device is asked about: always the same, of every class alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from edgecls import data as datas
from edgecls.errors import DataError


@dataclass(frozen=True)
class Image:
    """An image with the class that it is known to be of."""

    path: Path
    label: str


def balanced(folder: Path, labels: Sequence[str], count: int) -> list[Image]:
    """`count` images or all there are, drawn so that no class has more than one image too many.

    folder: one folder a class, or a manifest. Raises DataError where no class is one of `labels`.
    """
    listing = datas.scan(folder, lenient=True)
    classes: dict[str, list[Path]] = {}
    for entry in listing.entries:
        if entry.label in labels:
            classes.setdefault(entry.label, []).append(listing.root / entry.path)
    if not classes:
        raise DataError(
            f"{folder} has no class that the model knows",
            f"its labels are: {', '.join(labels[:10])}{' …' if len(labels) > 10 else ''}",
        )
    for label, paths in classes.items():
        # The order of one class does not depend on which others there are.
        random.Random(label).shuffle(paths)  # noqa: S311 - a choice, no secret
    turns = zip_longest(*(classes[label] for label in sorted(classes)))
    order = sorted(classes)
    drawn = [
        Image(path, label)
        for turn in turns
        for label, path in zip(order, turn, strict=True)
        if path is not None
    ]
    return drawn[:count]


def unknown(folder: Path, labels: Sequence[str]) -> list[str]:
    """The classes of a folder that are none of `labels`: `balanced` draws no image of them."""
    return [label for label in datas.scan(folder, lenient=True).labels if label not in labels]
