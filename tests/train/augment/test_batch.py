"""A batch's augmentation: types, ranges, and that its generator alone decides."""

from __future__ import annotations

import pytest
import torch

from edgecls.train.augment import Augmentation, augment
from edgecls.train.augment.presets import PRESETS

# Every option by itself, and the presets.
ALONE = {
    "flip": Augmentation(flip="random"),
    "crop": Augmentation(crop=0.2),
    "translation": Augmentation(translation=0.3),
    "rotation": Augmentation(rotation=40),
    "scale": Augmentation(scale=0.5),
    "shear": Augmentation(shear=30),
    "brightness": Augmentation(brightness=0.6),
    "contrast": Augmentation(contrast=0.9),
    "noise": Augmentation(noise=0.5),
    "erasing": Augmentation(erasing=0.6),
    "randaugment": Augmentation(policy="randaugment"),
    "trivialaugment": Augmentation(policy="trivialaugment"),
}
ALL = {**ALONE, **{f"preset {name}": how for name, how in PRESETS.items() if name != "none"}}


def test_none_gives_the_bytes_as_numbers(noise, seeded):
    images = noise(3, 5, 7, 3)
    found = augment(images, Augmentation(), seeded())
    assert torch.equal(found, images.permute(0, 3, 1, 2).float())


@pytest.mark.parametrize("how", ALL.values(), ids=ALL)
@pytest.mark.parametrize("shape", [(4, 1, 8, 8), (3, 3, 17, 31), (2, 1, 2, 3)])
def test_shape_type_layout_and_range_are_kept(how, shape, noise, seeded):
    count, channels, height, width = shape
    for seed in range(4):
        found = augment(noise(count, height, width, channels), how, seeded(seed))
        assert (found.shape, found.dtype) == (shape, torch.float32)
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert found.min() >= 0 and found.max() <= 255.001


@pytest.mark.parametrize("how", ALL.values(), ids=ALL)
def test_the_generator_alone_decides_and_torchs_own_is_left_alone(how, noise, seeded):
    images = noise(24, 12, 10, 3)
    torch.manual_seed(1)
    one = augment(images, how, seeded(5))
    untouched = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(untouched, torch.get_rng_state())
    torch.manual_seed(2)
    assert torch.equal(one, augment(images, how, seeded(5)))
    assert not torch.equal(one, augment(images, how, seeded(6)))


@pytest.mark.parametrize("how", ALL.values(), ids=ALL)
def test_the_images_that_came_in_stay(how, noise, seeded):
    images = noise(8, 12, 10, 3)
    augment(images, how, seeded())
    assert torch.equal(images, noise(8, 12, 10, 3))


def test_each_image_gets_its_own(noise, seeded):
    images = noise(1, 20, 20, 1).expand(200, -1, -1, -1)
    found = augment(images, PRESETS["light"], seeded())
    assert len({image.numpy().tobytes() for image in found}) > 190


def test_every_option_changes_something(noise, seeded):
    images = noise(40, 12, 10, 3)
    plain = images.permute(0, 3, 1, 2).float()
    same = [name for name, how in ALL.items() if torch.equal(augment(images, how, seeded()), plain)]
    assert not same


def test_who_is_mirrored_can_be_decided_outside(noise, seeded):
    images = noise(6, 4, 5, 1)
    mirrored = torch.tensor([True, False, True, False, False, True])
    found = augment(images, Augmentation(flip="alternating"), seeded(), mirrored)
    plain = images.permute(0, 3, 1, 2).float()
    assert torch.equal(found, torch.where(mirrored[:, None, None, None], plain.flip(3), plain))


def test_light_never_mirrors_and_never_blackens(seeded):
    """A bar in the left third stays on the left; a plain image stays plain."""
    images = torch.zeros(200, 20, 20, 1, dtype=torch.uint8)
    images[:, 6:14, 3:6] = 200
    found = augment(images, PRESETS["light"], seeded())
    assert (found[..., 10:].sum((1, 2, 3)) < found[..., :10].sum((1, 2, 3))).all()
    plain = torch.full((50, 16, 16, 3), 120, dtype=torch.uint8)
    found = augment(plain, PRESETS["light"], seeded())
    assert torch.allclose(found, torch.tensor(120.0), atol=1e-3)
