"""The few real images that travel with a model, to prove on a device that it answers alike.

They come from train, so that no image of validation or test is shipped, and are never scaled down:
resizing is part of what they prove.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecls.data.copies import Item
from edgecls.data.images import as_png, pixels, read
from edgecls.data.listing import printable
from edgecls.data.splits import balanced
from edgecls.device.preprocess import ImageError, Preprocess
from edgecls.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNT = 8
MAX_PIXELS = 4_000_000
# Of photos that are all large some are enough: every bundle carries them.
MAX_TOTAL_BYTES = 24_000_000
_SMALLEST = 64


@dataclass(frozen=True)
class Golden:
    """One golden image. path: of the image that it was made of, below the data's root."""

    path: str
    png: bytes


def choose(train: Sequence[Item], num_pixels: Mapping[str, int], seed: int) -> list[Item]:
    """Up to eight images of different classes, of up to four megapixels where there are any.

    num_pixels: path -> width times height.
    """
    by_size = sorted(train, key=lambda item: (num_pixels[item.path], item.identity))
    small = [item for item in by_size if num_pixels[item.path] <= MAX_PIXELS]
    return balanced(small or by_size[:_SMALLEST], COUNT, seed, "golden")


def make(
    root: Path, items: Sequence[Item], tensors: Sequence[NDArray[np.uint8]], preprocess: Preprocess
) -> list[Golden]:
    """The PNG of every item whose tensor it must give; at least one, then up to a total size.

    Raises DataError where it does not: the file has changed since it was decoded.
    """
    made: list[Golden] = []
    total = 0
    for item, tensor in zip(items, tensors, strict=True):
        try:
            png = as_png(pixels(read(root / item.path), preprocess).image, preprocess)
        except ImageError as error:
            raise _changed(item) from error
        if not np.array_equal(preprocess.load(png), tensor):
            raise _changed(item)
        total += len(png)
        if made and total > MAX_TOTAL_BYTES:
            break
        made.append(Golden(item.path, png))
    return made


def _changed(item: Item) -> DataError:
    return DataError(
        f"{printable(item.path)} no longer gives the tensor that it gave a moment ago",
        "leave the images alone while they are prepared, and run it again",
    )
