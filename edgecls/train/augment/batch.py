"""All steps of the augmentation of one batch, in their order."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from edgecls.train.augment import colour, geometry, policies
from edgecls.train.augment.presets import Augmentation


def augment(
    images: Tensor, how: Augmentation, generator: Generator, mirrored: Tensor | None = None
) -> Tensor:
    """float[N, C, H, W] in 0..255 and channels_last, of uint8[N, H, W, C].

    mirrored: bool[N], for those augmentations that decide it outside (alternating flip).
    """
    if mirrored is None and how.flip == "random":
        mirrored = geometry.draw(len(images), generator) < 0.5
    if how.crop or mirrored is not None:
        images = geometry.crop_and_flip(images, how.crop, mirrored, generator)
    # A view: what lies in memory by pixels is channels_last already.
    batch = images.permute(0, 3, 1, 2)
    if how.policy != "none":
        batch = policies.apply(how.policy, batch, generator)
    batch = batch.float()
    if how.is_affine:
        batch = geometry.affine(batch, how, generator)
    if how.brightness or how.contrast:
        batch = colour.brighten(batch, how.brightness, how.contrast, generator)
    if how.noise:
        batch = colour.add_noise(batch, how.noise, generator)
    if how.erasing:
        batch = geometry.erase(batch, how.erasing, generator)
    # What was sampled lies by channels.
    return batch.contiguous(memory_format=torch.channels_last)
