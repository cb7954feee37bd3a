"""Training images as the augmentation leaves them: a picture in which a wrong one is seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgecls.core import Dataset
from edgecls.data.contact import sheet
from edgecls.models.checkpoint import AUGMENTED, AUGMENTED_PICTURE
from edgecls.rundir import write_text
from edgecls.train.augment import Augmentation, augment, mix, resolve
from edgecls.train.batches import seeded
from edgecls.train.options import AugmentOptions

CLASSES, VIEWS = 8, 9


def write(out: Path, data: Dataset, options: AugmentOptions, seed: int) -> None:
    """Write the sheet of `data` into the folder `out`; nothing where nothing is augmented.

    A row is one image of a class: as it is, and `VIEWS` times as training sees it.
    """
    how = resolve(options)
    if how == Augmentation():
        return
    images, classes = data["train"]
    rows = {}
    for number, label in list(enumerate(data.labels))[:CLASSES]:
        members = np.flatnonzero(np.asarray(classes) == number)
        if len(members):
            other = (number + 1) % len(data.labels)
            others = np.flatnonzero(np.asarray(classes) == other)
            partner = int(others[0]) if len(others) else int(members[0])
            rows[label] = _views(
                np.asarray(images[int(members[0])]), np.asarray(images[partner]), how, seed, number
            )
    made = sheet(rows, data.preprocess.mode)
    (out / AUGMENTED_PICTURE).write_bytes(made.jpeg)
    write_text(out / AUGMENTED, json.dumps(made.to_json()) + "\n")


def _views(
    image: NDArray[np.uint8],
    partner: NDArray[np.uint8],
    how: Augmentation,
    seed: int,
    number: int,
) -> list[NDArray[np.uint8]]:
    """The image, and its views. partner: what it is mixed with."""
    found = [image]
    for view in range(VIEWS):
        generator = seeded(seed, number, view)
        pair = torch.from_numpy(np.stack([image, partner]))
        mirrored = None
        if how.flip == "alternating":
            mirrored = torch.tensor([bool(view % 2)] * 2)
        batch = augment(pair, how, generator, mirrored)
        batch, _ = mix(batch, torch.tensor([0, 1]), 2, how, generator)
        pixels = batch[0].permute(1, 2, 0).clamp(0, 255).round().to(torch.uint8)
        found.append(np.ascontiguousarray(pixels.numpy()))
    return found
