"""mixup and CutMix: two images in one, and labels by what is left of each."""

from __future__ import annotations

import pytest
import torch

from edgecls.train.augment import Augmentation, mix

COUNT, CLASSES = 6, 4


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose every pixel is their number, so that one sees from which it came."""
    images = torch.arange(COUNT).float().view(-1, 1, 1, 1).expand(-1, 2, 10, 14).clone()
    return images, torch.tensor([0, 1, 2, 3, 0, 1])


def own_share(targets: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """float[N]: what an image's own class got; neighbours are of other classes."""
    return targets.gather(1, classes[:, None])[:, 0]


def test_without_mixing_nothing_is_touched_or_drawn(seeded):
    images, classes = batch()
    generator = seeded()
    state = generator.get_state()
    found = mix(images, classes, CLASSES, Augmentation(), generator)
    assert found[0] is images and found[1] is classes
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize(
    "how", [Augmentation(mixup=0.4), Augmentation(cutmix=1), Augmentation(mixup=1, cutmix=1)]
)
def test_labels_are_shares_that_sum_to_one(how, seeded):
    images, classes = batch()
    for seed in range(20):
        mixed, targets = mix(images, classes, CLASSES, how, seeded(seed))
        assert mixed.shape == images.shape and targets.shape == (COUNT, CLASSES)
        assert targets.dtype == torch.float32 and targets.min() >= 0
        assert torch.allclose(targets.sum(1), torch.ones(COUNT))
    assert torch.equal(images, batch()[0])


@pytest.mark.parametrize("how", [Augmentation(mixup=1), Augmentation(cutmix=1)])
def test_the_other_label_is_that_of_the_image_that_is_mixed_in(how, seeded):
    images, classes = batch()
    _, targets = mix(images, classes, CLASSES, how, seeded(1))
    share = own_share(targets, classes)
    assert 0.02 < share[0] < 0.98
    assert torch.allclose(own_share(targets, classes.roll(1)), 1 - share)


def test_mixup_blends_every_pixel_by_the_share_of_its_label(seeded):
    images, classes = batch()
    for seed in range(20):
        mixed, targets = mix(images, classes, CLASSES, Augmentation(mixup=1), seeded(seed))
        share = own_share(targets, classes)
        assert torch.allclose(share, share[0])
        expected = share.view(-1, 1, 1, 1) * images + (1 - share[0]) * images.roll(1, 0)
        assert torch.allclose(mixed, expected, atol=1e-5)


def test_cutmix_pastes_one_rectangle_and_the_label_has_its_area(seeded):
    images, classes = batch()
    areas = []
    for seed in range(200):
        mixed, targets = mix(images, classes, CLASSES, Augmentation(cutmix=1), seeded(seed))
        pasted = (mixed == images.roll(1, 0)).all(1)
        kept = (mixed == images).all(1)
        assert torch.equal(pasted, ~kept)
        assert torch.equal(pasted, pasted[:1].expand_as(pasted))  # the same place in all
        area = pasted[0].float().mean()
        if area:
            rows, columns = pasted[0].any(1).nonzero(), pasted[0].any(0).nonzero()
            rectangle = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
            assert pasted[0].sum() == rectangle
        assert torch.allclose(own_share(targets, classes), 1 - area)
        areas.append(float(area))
    assert min(areas) < 0.05 and max(areas) > 0.5


def shares(how: Augmentation, seeded, count: int = 1500) -> torch.Tensor:
    images, classes = batch()
    generator = seeded()
    drawn = [mix(images, classes, CLASSES, how, generator)[1] for _ in range(count)]
    return torch.stack([own_share(targets, classes)[0] for targets in drawn])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_share_of_mixup_is_of_the_beta_distribution(alpha, seeded):
    """Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1))."""
    drawn = shares(Augmentation(mixup=alpha), seeded)
    assert drawn.mean() == pytest.approx(0.5, abs=0.04)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.12)


def test_a_tiny_alpha_hardly_mixes_and_stays_a_number(seeded):
    drawn = shares(Augmentation(mixup=1e-3), seeded, 300)
    assert torch.isfinite(drawn).all()
    assert (torch.minimum(drawn, 1 - drawn) < 0.01).float().mean() > 0.95
    assert 0.3 < drawn.mean() < 0.7


def test_both_are_a_fair_coin_a_batch(seeded):
    images, classes = batch()
    generator = seeded()
    how = Augmentation(mixup=5, cutmix=1)
    blended = 0
    for _ in range(400):
        mixed, _ = mix(images, classes, CLASSES, how, generator)
        blended += bool((mixed != mixed.round()).any())
    assert 160 < blended < 240


def test_the_generator_alone_decides(seeded):
    images, classes = batch()
    how = Augmentation(mixup=1, cutmix=1)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one = mix(images, classes, CLASSES, how, seeded(3))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    other = mix(images, classes, CLASSES, how, seeded(3))
    assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_channels_last_stays(seeded):
    images, classes = batch()
    images = images.contiguous(memory_format=torch.channels_last)
    for how in (Augmentation(mixup=1), Augmentation(cutmix=1)):
        mixed, _ = mix(images, classes, CLASSES, how, seeded())
        assert mixed.is_contiguous(memory_format=torch.channels_last)
