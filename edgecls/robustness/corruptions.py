"""The common corruptions of Hendrycks and Dietterich (ICLR 2019), of many images at once.

They act on the preprocessed picture, uint8[N, H, W, C], for that is what every runner takes: a
camera's noise would come before the resizing, and be smoothed by it. An image's randomness comes
from its own pixels and the seed, so that it is corrupted in the same way wherever it stands, and
alike at every severity but for the strength. Results are rounded, where the original cuts.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecls.data.pool import mapped
from edgecls.errors import unknown_name
from edgecls.models.checkpoint import marks
from edgecls.robustness import blur
from edgecls.robustness.blur import Floats
from edgecls.robustness.severities import SEVERITIES, Constants, constants_for, reach

Bytes = NDArray[np.uint8]
# Images are changed so many values at a time: a transform of all would take gigabytes.
_VALUES = 4_000_000


@dataclass(frozen=True)
class _Block:
    """Images to change. values: the same in 0..1; draws: a generator an image; level: from 0."""

    images: Bytes
    draws: Sequence[np.random.Generator]
    constants: Constants
    level: int
    mode: str

    @property
    def values(self) -> Floats:
        return self.images.astype(np.float32) / np.float32(255)

    @property
    def reach(self) -> float:
        return reach(self.constants, *self.images.shape[1:3])


def corrupted(images: Bytes, name: str, severity: int, seed: int = 0, mode: str = "RGB") -> Bytes:
    """`images` under the corruption `name`; severity 0 leaves them as they are, 5 is the strongest.

    mode: of the pixels, ``RGB``, ``BGR`` or ``L``. Raises UsageError for an unknown name.
    """
    if name not in CORRUPTIONS:
        raise unknown_name("corruption", name, CORRUPTIONS)
    if severity not in (0, *SEVERITIES):
        raise ValueError(f"severity {severity} is not in 0..5")
    if severity == 0 or not len(images):
        return images.copy()
    constants = constants_for(*images.shape[1:3])
    step = max(1, _VALUES // images[0].size)

    def change(start: int) -> Bytes:
        part = images[start : start + step]
        draws = [_generator(int(mark), name, seed) for mark in marks(part)]
        return CORRUPTIONS[name](_Block(part, draws, constants, severity - 1, mode))

    return np.concatenate(list(mapped(change, range(0, len(images), step))))


def _generator(mark: int, name: str, seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, mark, zlib.crc32(name.encode())]))


def _picture(values: Floats) -> Bytes:
    whole: Bytes = np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)
    return whole


def _gaussian_noise(block: _Block) -> Bytes:
    shape = block.images.shape[1:]
    noise = np.stack([draw.standard_normal(shape, np.float32) for draw in block.draws])
    return _picture(block.values + noise * np.float32(block.constants.gaussian_noise[block.level]))


def _shot_noise(block: _Block) -> Bytes:
    photons = block.constants.shot_noise[block.level]
    counted = [
        draw.poisson(each * photons) for draw, each in zip(block.draws, block.values, strict=True)
    ]
    return _picture((np.stack(counted) / photons).astype(np.float32))


def _impulse_noise(block: _Block) -> Bytes:
    """Salt and pepper. What is struck at one severity is struck at every higher one."""
    amount = block.constants.impulse_noise[block.level]
    shape = block.images.shape[1:]
    drawn = np.stack([draw.random(shape, np.float32) for draw in block.draws])
    salt = np.stack([draw.random(shape, np.float32) for draw in block.draws]) < 0.5
    whole: Bytes = np.where(drawn < amount, np.where(salt, 255, 0), block.images).astype(np.uint8)
    return whole


def _gaussian_blur(block: _Block) -> Bytes:
    sigma = block.constants.gaussian_blur[block.level] * block.reach
    return _picture(blur.filtered(block.values, blur.gaussian(sigma)[None]))


def _defocus_blur(block: _Block) -> Bytes:
    radius, sigma = block.constants.defocus_blur[block.level]
    return _picture(blur.filtered(block.values, blur.disk(radius * block.reach, sigma)[None]))


def _motion_blur(block: _Block) -> Bytes:
    """In a direction of its own for each image, at most 45 degrees from level."""
    radius, sigma = block.constants.motion_blur[block.level]
    angles = [draw.uniform(-np.pi / 4, np.pi / 4) for draw in block.draws]
    kernels = [blur.streak(radius * block.reach, sigma * block.reach, a) for a in angles]
    return _picture(blur.filtered(block.values, np.stack(kernels)))


def _brightness(block: _Block) -> Bytes:
    """The value of HSV raised; hue and saturation stay, so all channels grow by one factor."""
    values, added = block.values, block.constants.brightness[block.level]
    value = values.max(axis=3, keepdims=True)
    wanted = np.minimum(value + np.float32(added), 1)
    factor = wanted / np.where(value > 0, value, 1)
    return _picture(np.where(value > 0, values * factor, wanted))


def _contrast(block: _Block) -> Bytes:
    values, factor = block.values, np.float32(block.constants.contrast[block.level])
    means = values.mean(axis=(1, 2), keepdims=True)
    return _picture((values - means) * factor + means)


def _jpeg(block: _Block) -> Bytes:
    quality = int(block.constants.jpeg[block.level])

    def change(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream)

    return _drawn(block, change)


def _pixelate(block: _Block) -> Bytes:
    factor = block.constants.pixelate[block.level]

    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        small = max(1, int(width * factor)), max(1, int(height * factor))
        return image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BOX)

    return _drawn(block, change)


def _drawn(block: _Block, change: Callable[[Image.Image], Image.Image]) -> Bytes:
    """Each image as Pillow changes it, which knows red from blue."""
    flipped = block.mode == "BGR"
    found = np.empty_like(block.images)
    for row, image in enumerate(block.images):
        given = image[:, :, ::-1] if flipped else image[:, :, 0] if image.shape[2] == 1 else image
        done = np.asarray(change(Image.fromarray(np.ascontiguousarray(given))))
        found[row] = done[:, :, ::-1] if flipped else done.reshape(image.shape)
    return found


CORRUPTIONS: dict[str, Callable[[_Block], Bytes]] = {
    "gaussian-noise": _gaussian_noise,
    "shot-noise": _shot_noise,
    "impulse-noise": _impulse_noise,
    "gaussian-blur": _gaussian_blur,
    "defocus-blur": _defocus_blur,
    "motion-blur": _motion_blur,
    "brightness": _brightness,
    "contrast": _contrast,
    "jpeg": _jpeg,
    "pixelate": _pixelate,
}
