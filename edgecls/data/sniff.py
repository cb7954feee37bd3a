"""What kind of images a folder holds: enough to choose nets and an input size before decoding all.

Headers of a seeded sample are read, and a few images decoded. Only train is looked at where the
splits are given.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from edgecls.data.images import quiet_decoders
from edgecls.data.listing import Entry, Listing, printable
from edgecls.device.preprocess import DAMAGED, ImageError, decode, to_rgb
from edgecls.errors import DataError

_ORIENTATION = 0x0112  # EXIF: 5 to 8 are turned by a quarter
_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_MAX_DECODED = 40
_TINY = 64


@dataclass(frozen=True)
class Traits:
    """num_images: files listed. Medians: pixels of upright images, over `num_sampled` of them.

    grayscale: every sampled image is stored without colour, or its three channels are equal.
    """

    num_images: int
    num_classes: int
    num_sampled: int
    median_height: int
    median_width: int
    grayscale: bool

    @property
    def is_tiny(self) -> bool:
        """Whether the images are thumbnails, for which nets made for photos are too coarse."""
        return max(self.median_height, self.median_width) <= _TINY


def sniff(listing: Listing, limit: int = 500) -> Traits:
    """The traits of at most `limit` images. Raises DataError where none of them can be opened."""
    sample = _sample(listing.entries, limit)
    sizes: list[tuple[int, int]] = []
    coloured: list[Path] = []
    reason = ""
    with quiet_decoders():
        for entry in sample:
            path = listing.root / entry.path
            try:
                height, width, mode = _header(path)
            except DAMAGED as error:
                reason = reason or f"{printable(entry.path)}: {error}"
                continue
            sizes.append((height, width))
            if mode not in _GRAY_MODES:
                coloured.append(path)
        grayscale = all(_is_gray(path) for path in coloured[:_MAX_DECODED])
    if not sizes:
        raise DataError(
            f"none of {len(sample)} files that were looked at is an image ({reason})",
            "give a folder of images that Pillow can open, such as JPEG or PNG",
        )
    heights, widths = zip(*sizes, strict=True)
    return Traits(
        num_images=len(listing.entries),
        num_classes=len(listing.labels),
        num_sampled=len(sizes),
        median_height=int(median(heights)),
        median_width=int(median(widths)),
        grayscale=grayscale,
    )


def _sample(entries: Sequence[Entry], limit: int) -> list[Entry]:
    """The same entries every time, from all over the list."""
    train = [entry for entry in entries if entry.split in (None, "train")]
    return sorted(train, key=lambda entry: hashlib.sha256(os.fsencode(entry.path)).digest())[:limit]


def _header(path: Path) -> tuple[int, int, str]:
    """Height and width of the upright image, and its mode."""
    with Image.open(path) as image:
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        width, height = image.size[::-1] if turned else image.size
        return height, width, image.mode


def _is_gray(path: Path) -> bool:
    """Whether the channels are equal; a file that cannot be decoded says nothing against it."""
    try:
        pixels = np.asarray(to_rgb(decode(path), "RGB"))
    except (ImageError, *DAMAGED):
        return True
    return bool(np.array_equal(pixels[..., 0], pixels[..., 1])) and bool(
        np.array_equal(pixels[..., 1], pixels[..., 2])
    )
