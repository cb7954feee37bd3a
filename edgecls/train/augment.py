"""Augmentation of whole batches, drawn from the generator that it is given.

light: shift by up to 1/10 of the side, turn by up to 8°, scale by up to 8 %. standard: shift by up
to 1/8, mirror, brightness and contrast by up to 20 %. Light never mirrors: a mirrored digit or
letter is another one.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from edgecls.train.options import Augment


def augment(batch: Tensor, preset: Augment, generator: Generator) -> Tensor:
    """`batch` float[N, C, H, W] in 0..255, augmented image by image."""
    if preset == "none":
        return batch
    if preset == "light":
        return _affine(batch, generator, shift=0.1, degrees=8.0, scale=0.08, mirror=False)
    batch = _affine(batch, generator, shift=0.125, degrees=0.0, scale=0.0, mirror=True)
    return _colour(batch, generator, 0.2)


def _uniform(count: int, generator: Generator, bound: float) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * bound


def _affine(
    batch: Tensor, generator: Generator, shift: float, degrees: float, scale: float, mirror: bool
) -> Tensor:
    """One sampling of the batch by a random affine map of each image; edges are repeated."""
    count, _, height, width = batch.shape
    angle = _uniform(count, generator, math.radians(degrees))
    zoom = 1 + _uniform(count, generator, scale)
    # Whole pixels, so that an image that is only shifted or mirrored stays sharp.
    dx = torch.round(_uniform(count, generator, shift) * width) * 2 / width
    dy = torch.round(_uniform(count, generator, shift) * height) * 2 / height
    flip = torch.ones(count)
    if mirror:
        flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        [torch.stack([cos * flip, -sin, dx], 1), torch.stack([sin * flip, cos, dy], 1)], 1
    )
    grid = F.affine_grid(theta, list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def _colour(batch: Tensor, generator: Generator, bound: float) -> Tensor:
    count = batch.shape[0]
    contrast = 1 + _uniform(count, generator, bound).view(-1, 1, 1, 1)
    brightness = 255 * _uniform(count, generator, bound).view(-1, 1, 1, 1)
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    return ((batch - mean) * contrast + mean + brightness).clamp(0, 255)
