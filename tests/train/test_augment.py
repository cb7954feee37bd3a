"""Augmentation: what each preset does to an image, and that it follows its generator."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from edgecls.train.augment import augment


def generator(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def bar() -> torch.Tensor:
    """200 images 20×20 with a bright bar in the left third of a dark ground."""
    images = torch.zeros(200, 1, 20, 20)
    images[:, :, 6:14, 3:6] = 200.0
    return images


def on_the_right(images: torch.Tensor) -> torch.Tensor:
    """Whether each image is brighter on its right half."""
    return images[..., 10:].sum(dim=(1, 2, 3)) > images[..., :10].sum(dim=(1, 2, 3))


def test_none_is_the_identity():
    images = bar()
    assert augment(images, "none", generator()) is images


@pytest.mark.parametrize("preset", ["none", "light", "standard"])
@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (2, 3, 17, 31)])
def test_shape_type_and_range_stay(preset, shape):
    images = torch.randint(0, 256, shape, generator=generator()).float()
    found = augment(images, preset, generator())
    assert (found.shape, found.dtype) == (images.shape, images.dtype)
    assert found.min() >= 0 and found.max() <= 255.001


@pytest.mark.parametrize("preset", ["light", "standard"])
def test_the_generator_alone_decides(preset):
    images = bar()
    kept = images.clone()
    torch.manual_seed(1)
    one = augment(images, preset, generator(5))
    torch.manual_seed(2)
    assert torch.equal(one, augment(images, preset, generator(5)))
    assert not torch.equal(one, augment(images, preset, generator(6)))
    assert torch.equal(images, kept)


def test_light_never_mirrors():
    assert not on_the_right(augment(bar(), "light", generator())).any()


def test_standard_mirrors_about_half():
    share = on_the_right(augment(bar(), "standard", generator())).float().mean().item()
    assert 0.35 < share < 0.65


def test_each_image_gets_its_own():
    found = augment(bar(), "light", generator())
    assert len({image.numpy().tobytes() for image in found}) > 150


def test_a_shift_alone_stays_sharp():
    """Standard moves by whole pixels: an image of two values keeps two values in its shape."""
    images = torch.zeros(50, 1, 16, 16)
    images[:, :, 4:8, 4:8] = 100.0
    found = augment(images, "standard", generator())
    for image in found:
        near = torch.minimum((image - image.min()).abs(), (image - image.max()).abs())
        assert near.max() < 0.01


def test_edges_are_repeated_and_not_black():
    images = torch.full((20, 3, 16, 16), 120.0)
    found = augment(images, "light", generator())
    assert torch.allclose(found, images, atol=1e-3)
