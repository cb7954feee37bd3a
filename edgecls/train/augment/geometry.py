"""Where the pixels of an image go: crops, mirrors, affine maps, erased rectangles."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from edgecls.train.augment.presets import Augmentation

# Of RandomErasing (Zhong et al. 2020): share of the area, and ratio of the sides.
ERASED_AREA = (0.02, 0.33)
ERASED_RATIO = (0.3, 3.3)


def draw(count: int, generator: Generator, bound: float | None = None) -> Tensor:
    """float[count] of 0..1, or of -bound..bound."""
    drawn = torch.rand(count, generator=generator)
    return drawn if bound is None else (drawn * 2 - 1) * bound


def crop_and_flip(
    images: Tensor, crop: float, mirrored: Tensor | None, generator: Generator
) -> Tensor:
    """uint8[N, H, W, C] shifted by whole pixels and mirrored; what comes in is reflected.

    One gather on bytes, so that it costs a small part of a step. crop: share of the side.
    """
    count, height, width = images.shape[:3]
    rows, columns = torch.arange(height).expand(count, -1), torch.arange(width).expand(count, -1)
    if mirrored is not None:
        columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    if crop:
        rows = _reflected(rows + _shift(count, round(crop * height), generator), height)
        columns = _reflected(columns + _shift(count, round(crop * width), generator), width)
    each = torch.arange(count)[:, None, None]
    return images[each, rows[:, :, None], columns[:, None, :]]


def _shift(count: int, bound: int, generator: Generator) -> Tensor:
    return torch.randint(-bound, bound + 1, (count, 1), generator=generator)


def _reflected(index: Tensor, side: int) -> Tensor:
    """Indices past an edge, reflected at it; the edge itself is not repeated."""
    return (side - 1) - ((side - 1) - index.abs()).abs()


def affine(batch: Tensor, how: Augmentation, generator: Generator) -> Tensor:
    """float[N, C, H, W] turned, zoomed, slanted and shifted in one sampling; edges are repeated."""
    count, _, height, width = batch.shape
    angle = draw(count, generator, math.radians(how.rotation))
    zoom = 1 / (1 + draw(count, generator, how.scale))
    slant = torch.tan(draw(count, generator, math.radians(how.shear)))
    # The grid runs from -1 to 1.
    dx = draw(count, generator, 2 * how.translation)
    dy = draw(count, generator, 2 * how.translation)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    aspect = height / width  # a turn is one of pixels, also of an image that is not square
    theta = torch.stack(
        [
            torch.stack([cos, (cos * slant - sin) * aspect, dx], 1),
            torch.stack([sin / aspect, sin * slant + cos, dy], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def erase(batch: Tensor, share: float, generator: Generator) -> Tensor:
    """A rectangle of some images becomes the mean of the image (RandomErasing)."""
    count, _, height, width = batch.shape
    chosen = draw(count, generator) < share
    area = _between(ERASED_AREA, draw(count, generator)) * height * width
    ratio = torch.exp(
        _between((math.log(ERASED_RATIO[0]), math.log(ERASED_RATIO[1])), draw(count, generator))
    )
    tall = torch.sqrt(area * ratio).round().clamp(1, height)
    wide = torch.sqrt(area / ratio).round().clamp(1, width)
    # One more, so that the last place is drawn as often as the others.
    top = torch.floor(draw(count, generator) * (height - tall + 1))
    left = torch.floor(draw(count, generator) * (width - wide + 1))
    rows, columns = torch.arange(height), torch.arange(width)
    inside = _within(rows, top, tall)[:, :, None] & _within(columns, left, wide)[:, None, :]
    inside &= chosen[:, None, None]
    mean = batch.mean(dim=(2, 3), keepdim=True)
    return torch.where(inside[:, None], mean, batch)


def _between(bounds: tuple[float, float], drawn: Tensor) -> Tensor:
    return bounds[0] + (bounds[1] - bounds[0]) * drawn


def _within(index: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """bool[N, len(index)]."""
    return (index >= start[:, None]) & (index < (start + length)[:, None])
