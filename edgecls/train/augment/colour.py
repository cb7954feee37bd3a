"""What an image's values become: brightness, contrast, noise."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from edgecls.train.augment.geometry import draw


def brighten(batch: Tensor, brightness: float, contrast: float, generator: Generator) -> Tensor:
    """float[N, C, H, W] in 0..255 with another contrast about its mean, and brighter or darker."""
    count = len(batch)
    factor = 1 + draw(count, generator, contrast).view(-1, 1, 1, 1)
    offset = 255 * draw(count, generator, brightness).view(-1, 1, 1, 1)
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    return torch.addcmul(mean * (1 - factor) + offset, batch, factor).clamp_(0, 255)


def add_noise(batch: Tensor, bound: float, generator: Generator) -> Tensor:
    """Gaussian noise, of a deviation that is drawn for each image up to `bound` of full scale."""
    deviation = 255 * bound * draw(len(batch), generator).view(-1, 1, 1, 1)
    noise = torch.randn(batch.shape, generator=generator)
    return torch.addcmul(batch, noise, deviation).clamp_(0, 255)
