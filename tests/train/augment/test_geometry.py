"""Where pixels go, on pictures of which one can tell."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from edgecls.train.augment import Augmentation, augment, geometry


def plain(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float()


def disc(count: int, height: int, width: int, y: float, x: float, radius: float) -> Tensor:
    """uint8[N, H, W, 1] of a soft bright disc about (y, x) on a dark ground."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = torch.hypot(rows + 0.5 - y, columns + 0.5 - x)
    image = 250 * torch.sigmoid((radius - distance) * 2)
    return image.round().to(torch.uint8)[None, :, :, None].repeat(count, 1, 1, 1)


def centre(images: Tensor) -> Tensor:
    """float[N, 2]: (y, x) of the centre of brightness, in pixels from the image's middle."""
    weight = images.sum(1)
    height, width = weight.shape[1:]
    total = weight.sum((1, 2))
    y = (weight.sum(2) * (torch.arange(height) + 0.5)).sum(1) / total - height / 2
    x = (weight.sum(1) * (torch.arange(width) + 0.5)).sum(1) / total - width / 2
    return torch.stack([y, x], 1)


def spread(images: Tensor) -> Tensor:
    """float[N, 2, 2]: the second moments of brightness, (y, x)."""
    weight = images.sum(1) / images.sum((1, 2, 3))[:, None, None]
    height, width = weight.shape[1:]
    middle = centre(images)
    y = torch.arange(height) + 0.5 - height / 2 - middle[:, :1]
    x = torch.arange(width) + 0.5 - width / 2 - middle[:, 1:]
    mixed = (weight * y[:, :, None] * x[:, None, :]).sum((1, 2))
    return torch.stack(
        [
            torch.stack([(weight.sum(2) * y**2).sum(1), mixed], 1),
            torch.stack([mixed, (weight.sum(1) * x**2).sum(1)], 1),
        ],
        1,
    )


def shifts(found: Tensor, source: Tensor, by: int) -> list[tuple[int, int]]:
    """The (rows, columns) by which each image is `source` shifted, the edges reflected."""
    height, width = source.shape[-2:]
    pad = torch.nn.functional.pad(source[None], (by, by, by, by), mode="reflect")[0]
    windows = {
        (y, x): pad[:, by + y : by + y + height, by + x : by + x + width]
        for y in range(-by, by + 1)
        for x in range(-by, by + 1)
    }
    return [
        next(shift for shift, window in windows.items() if torch.equal(window, image))
        for image in found
    ]


def test_crop_shifts_by_whole_pixels_up_to_its_share_and_reflects(noise, seeded):
    image = noise(1, 10, 20, 3)
    found = augment(image.repeat(400, 1, 1, 1), Augmentation(crop=0.2), seeded())
    moved = shifts(found, plain(image)[0], by=6)
    assert {y for y, _ in moved} == set(range(-2, 3))  # 0.2 of 10 rows
    assert {x for _, x in moved} == set(range(-4, 5))  # 0.2 of 20 columns
    assert len(set(moved)) > 40  # the two are drawn apart


def test_a_crop_of_half_the_side_still_reflects(noise, seeded):
    image = noise(1, 6, 6, 1)
    found = augment(image.repeat(100, 1, 1, 1), Augmentation(crop=0.5), seeded())
    assert {y for y, _ in shifts(found, plain(image)[0], by=3)} == set(range(-3, 4))


def test_flip_mirrors_half_of_the_images_left_to_right(noise, seeded):
    images = noise(400, 4, 5, 1)
    found = augment(images, Augmentation(flip="random"), seeded())
    same = (found == plain(images)).flatten(1).all(1)
    mirrored = (found == plain(images).flip(3)).flatten(1).all(1)
    assert torch.equal(same, ~mirrored)
    assert 0.4 < mirrored.float().mean() < 0.6


def test_a_crop_of_a_mirrored_image_is_a_shift_of_its_mirror(noise, seeded):
    image = noise(1, 8, 8, 1)
    mirrored = torch.ones(30, dtype=torch.bool)
    found = augment(image.repeat(30, 1, 1, 1), Augmentation(crop=0.25), seeded(), mirrored)
    assert len(set(shifts(found, plain(image).flip(3)[0], by=2))) > 5


def test_translation_is_a_share_of_each_side(seeded):
    images = disc(300, 40, 80, 20, 40, 5)
    moved = centre(augment(images, Augmentation(translation=0.2), seeded()))
    for column, bound in enumerate((0.2 * 40, 0.2 * 80)):
        far = moved[:, column]
        assert far.abs().max() <= bound + 0.3
        assert far.max() > 0.9 * bound and far.min() < -0.9 * bound
        assert far.mean().abs() < 0.15 * bound


def test_rotation_turns_both_ways_up_to_its_degrees(seeded):
    images = disc(300, 60, 60, 30, 50, 4)  # at three o'clock
    moved = centre(augment(images, Augmentation(rotation=30), seeded()))
    angle = torch.rad2deg(torch.atan2(moved[:, 0], moved[:, 1]))
    assert angle.abs().max() <= 30.5
    assert angle.max() > 27 and angle.min() < -27
    assert torch.allclose(moved.norm(dim=1), torch.tensor(20.0), atol=0.3)


def test_a_turn_is_one_of_pixels_where_the_image_is_not_square(seeded):
    """What is 12 pixels to the right stays 12 pixels off, and a circle a circle."""
    images = disc(200, 40, 80, 20, 52, 6)
    found = augment(images, Augmentation(rotation=180), seeded())
    moved = centre(found)
    assert torch.allclose(moved.norm(dim=1), torch.tensor(12.0), atol=0.2)
    assert moved[:, 0].max() > 11 and moved[:, 1].min() < -11
    moments = spread(found)
    assert torch.allclose(moments[:, 0, 0], moments[:, 1, 1], rtol=0.05)
    assert moments[:, 0, 1].abs().max() < 0.05 * moments[:, 0, 0].mean()


def test_scale_zooms_both_ways_up_to_its_share(seeded):
    images = disc(300, 60, 60, 30, 30, 10)
    before = spread(plain(images[:1]))[0, 0, 0]
    found = augment(images, Augmentation(scale=0.4), seeded())
    zoom = (spread(found)[:, 0, 0] / before).sqrt()
    assert 0.59 < zoom.min() < 0.65 and 1.35 < zoom.max() < 1.41
    assert centre(found).abs().max() < 0.1


def test_shear_slants_rows_up_to_its_degrees(seeded):
    """A dot above the middle moves sideways by the tangent of the angle, never up or down."""
    images = disc(300, 60, 60, 14, 30, 3)
    moved = centre(augment(images, Augmentation(shear=20), seeded()))
    angle = torch.rad2deg(torch.atan2(moved[:, 1], -moved[:, 0]))
    assert torch.allclose(moved[:, 0], torch.tensor(-16.0), atol=0.2)
    assert angle.abs().max() <= 20.5
    assert angle.max() > 18 and angle.min() < -18


def test_a_shear_is_one_of_pixels_where_the_image_is_not_square(seeded):
    images = disc(200, 60, 90, 14, 45, 3)
    moved = centre(augment(images, Augmentation(shear=20), seeded()))
    assert 0.9 < moved[:, 1].abs().max() / (16 * math.tan(math.radians(20))) < 1.03


def test_edges_are_repeated_and_not_black(seeded):
    images = torch.full((40, 16, 24, 3), 120, dtype=torch.uint8)
    how = Augmentation(translation=0.5, rotation=180, scale=0.9, shear=60)
    assert torch.allclose(augment(images, how, seeded()), torch.tensor(120.0), atol=1e-2)


def changed(found: Tensor, images: Tensor) -> Tensor:
    """bool[N, H, W]"""
    return (found != plain(images)).any(1)


def test_erasing_takes_that_share_of_the_images(noise, seeded):
    images = noise(400, 16, 16, 3)
    found = augment(images, Augmentation(erasing=0.3), seeded())
    share = changed(found, images).flatten(1).any(1).float().mean()
    assert 0.22 < share < 0.38
    everyone = augment(images, Augmentation(erasing=1), seeded())
    assert changed(everyone, images).flatten(1).any(1).all()


@pytest.mark.parametrize("size", [(32, 32), (20, 44)])
def test_what_is_erased_is_one_rectangle_of_the_published_areas(size, seeded):
    """A slope of brightness: no pixel of it equals its mean."""
    height, width = size
    slope = torch.arange(height * width) % 254 // 2 * 2
    images = slope.to(torch.uint8).view(1, height, width, 1).repeat(500, 1, 1, 1)
    found = augment(images, Augmentation(erasing=1), seeded())
    areas, ratios = [], []
    for image, mask in zip(found, changed(found, images), strict=True):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        tall, wide = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        assert mask.sum() == tall * wide  # a whole rectangle
        assert torch.allclose(image[:, mask], plain(images[:1]).mean(), atol=1e-3)
        areas.append(float(mask.sum()) / (height * width))
        ratios.append(float(tall / wide))
    assert min(areas) > 0.005 and max(areas) < 0.36
    assert 0.1 < sum(areas) / len(areas) < 0.19  # the middle of 0.02 … 0.33
    assert min(ratios) < 0.5 and max(ratios) > 2
    assert 0.35 < sum(ratio > 1 for ratio in ratios) / len(ratios) < 0.65


def test_the_erased_rectangle_reaches_every_corner(noise, seeded):
    images = noise(600, 12, 12, 1)
    where = changed(augment(images, Augmentation(erasing=1), seeded()), images).float().mean(0)
    corners = [where[0, 0], where[0, -1], where[-1, 0], where[-1, -1]]
    assert all(corner > 0 for corner in corners)
    assert max(corners) < 0.5 * where[6, 6]


def test_draws_fill_their_range(seeded):
    drawn = geometry.draw(2000, seeded())
    assert 0 <= drawn.min() < 0.01 and 0.99 < drawn.max() < 1
    both = geometry.draw(2000, seeded(), 3.0)
    assert -3 <= both.min() < -2.95 and 2.95 < both.max() <= 3
