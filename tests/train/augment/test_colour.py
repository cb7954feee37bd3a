"""What values become."""

from __future__ import annotations

import torch

from edgecls.train.augment import Augmentation, augment


def halves(count: int, dark: int, bright: int) -> torch.Tensor:
    """uint8[N, 8, 8, 3], dark on the left and bright on the right."""
    images = torch.full((count, 8, 8, 3), dark, dtype=torch.uint8)
    images[:, :, 4:] = bright
    return images


def test_brightness_moves_all_values_by_up_to_its_share_of_full_scale(seeded):
    found = augment(halves(400, 110, 140), Augmentation(brightness=0.3), seeded())
    moved = found[:, 0, 0, 0] - 110
    assert torch.allclose(found[..., 4:], found[..., :4] + 30, atol=1e-3)
    assert moved.abs().max() <= 0.3 * 255 + 1e-3
    assert moved.max() > 0.28 * 255 and moved.min() < -0.28 * 255
    assert len(moved.unique()) == 400


def test_contrast_stretches_about_the_mean_by_up_to_its_share(seeded):
    found = augment(halves(400, 110, 140), Augmentation(contrast=0.5), seeded())
    stretched = (found[..., 7] - found[..., 0])[:, 0, 0] / 30
    assert torch.allclose(found.mean((1, 2, 3)), torch.tensor(125.0), atol=1e-3)
    assert 0.5 <= stretched.min() < 0.52 and 1.48 < stretched.max() <= 1.5


def test_what_leaves_the_scale_is_clipped(seeded):
    found = augment(halves(50, 0, 255), Augmentation(brightness=1, contrast=1, noise=1), seeded())
    assert found.min() == 0 and found.max() == 255


def test_noise_has_a_deviation_of_its_own_up_to_the_bound(seeded):
    images = torch.full((300, 24, 24, 3), 128, dtype=torch.uint8)
    found = augment(images, Augmentation(noise=0.1), seeded())
    deviation = found.flatten(1).std(1)
    assert deviation.max() < 0.104 * 255 and deviation.max() > 0.095 * 255
    assert deviation.min() < 0.01 * 255
    assert 0.045 * 255 < deviation.mean() < 0.055 * 255
    assert (found.mean((1, 2, 3)) - 128).abs().max() < 3
    assert not torch.equal(found[:, 0], found[:, 1])  # every channel its own
