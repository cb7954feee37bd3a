"""mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): two images and their labels in one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from edgecls.train.augment.presets import Augmentation


def mix(
    batch: Tensor, classes: Tensor, num_classes: int, how: Augmentation, generator: Generator
) -> tuple[Tensor, Tensor]:
    """(images, targets): float[N, C, H, W], and float[N, K] where they are mixed, else int64[N].

    Each image meets the one before it; one without a label (-1) brings no share of any class. With
    both, every batch gets one of them, by a fair coin.
    """
    if not (how.mixup or how.cutmix):
        return batch, classes
    cut = bool(how.cutmix) and (not how.mixup or float(torch.rand((), generator=generator)) < 0.5)
    share = _beta(how.cutmix if cut else how.mixup, generator)
    other = batch.roll(1, 0)
    if cut:
        batch, share = _pasted(batch, other, share, generator)
    else:
        batch = torch.lerp(other, batch, share)
    target = F.one_hot(classes.clamp(min=0), num_classes).to(batch.dtype)
    target *= (classes >= 0)[:, None]
    return batch, torch.lerp(target.roll(1, 0), target, share)


def _pasted(
    batch: Tensor, other: Tensor, share: float, generator: Generator
) -> tuple[Tensor, float]:
    """(images with a rectangle of the other, the share of their own that is left)."""
    height, width = batch.shape[-2:]
    side = (1 - share) ** 0.5
    y, x = (torch.rand(2, generator=generator) * torch.tensor([height, width])).tolist()
    top, bottom = (round(min(max(y + s * side * height / 2, 0), height)) for s in (-1, 1))
    left, right = (round(min(max(x + s * side * width / 2, 0), width)) for s in (-1, 1))
    batch = batch.clone(memory_format=torch.preserve_format)
    batch[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
    return batch, 1 - (bottom - top) * (right - left) / (height * width)


def _beta(alpha: float, generator: Generator) -> float:
    """One draw of Beta(alpha, alpha), by two of the gamma distribution."""
    alphas = torch.full((2,), alpha, dtype=torch.float64)
    one, other = torch._standard_gamma(alphas, generator=generator).tolist()
    return float(one / max(one + other, 1e-300))
