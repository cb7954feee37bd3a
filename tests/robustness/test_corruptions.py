"""Corruptions: stronger at every severity, the same for the same image, and still pictures."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from edgecls.errors import UsageError
from edgecls.recipe import Corruption
from edgecls.robustness import severities
from edgecls.robustness.corruptions import CORRUPTIONS, corrupted
from edgecls.robustness.variants import Variants

SIZES = (32, 64, 128)


def scene(side: int, channels: int = 3, count: int = 6) -> np.ndarray:
    """Smooth shapes with edges and some texture, as photographs have: uint8[N, S, S, C]."""
    rng = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side] / side
    images = []
    for i in range(count):
        planes = []
        for c in range(channels):
            wave = 0.5 + 0.3 * np.sin(4 * x + c + i) * np.cos(3 * y - i)
            disk = ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.03 * (1 + i / 3)) * 0.35
            texture = 0.08 * rng.standard_normal((side, side))
            planes.append(wave * 0.8 + disk + texture)
        images.append(np.stack(planes, axis=-1))
    return np.rint(np.clip(np.stack(images), 0, 1) * 255).astype(np.uint8)


def change(images, name, severity, **more):
    return np.abs(corrupted(images, name, severity, **more).astype(int) - images).mean()


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_severity_changes_more_than_the_one_before(name, side, channels):
    images = scene(side, channels)
    mode = "L" if channels == 1 else "RGB"
    changes = [change(images, name, severity, mode=mode) for severity in range(6)]
    assert changes[0] == 0
    assert changes == sorted(changes)
    assert changes[5] > changes[1] > 0
    for severity in (1, 5):
        found = corrupted(images, name, severity, mode=mode)
        assert found.dtype == np.uint8 and found.shape == images.shape


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_is_corrupted_alike_wherever_it_stands(name):
    images = scene(32)
    whole = corrupted(images, name, 3, seed=5)
    assert (whole == corrupted(images, name, 3, seed=5)).all()
    assert (whole[[4, 1]] == corrupted(images[[4, 1]], name, 3, seed=5)).all()
    assert (images == scene(32)).all()


@pytest.mark.parametrize("name", ["gaussian-noise", "shot-noise", "impulse-noise", "motion-blur"])
def test_another_seed_is_another_corruption(name):
    images = scene(32)
    assert (corrupted(images, name, 3, seed=1) != corrupted(images, name, 3, seed=2)).any()


def test_noise_has_the_published_strength():
    gray = np.full((4, 32, 32, 3), 128, np.uint8)
    noise = corrupted(gray, "gaussian-noise", 5).astype(float) - 128
    assert noise.std() == pytest.approx(0.10 * 255, rel=0.03)
    struck = corrupted(gray, "impulse-noise", 5)
    assert set(np.unique(struck)) == {0, 128, 255}
    assert (struck != 128).mean() == pytest.approx(0.07, rel=0.15)
    photons = corrupted(gray, "shot-noise", 5).astype(float) / 255
    assert photons.std() == pytest.approx(np.sqrt(0.5 / 50), rel=0.05)


def test_brightness_keeps_hue_and_contrast_keeps_the_mean():
    colour = np.full((1, 32, 32, 3), (20, 40, 80), np.uint8)
    brighter = corrupted(colour, "brightness", 5)[0, 0, 0].astype(float)
    assert brighter[2] == pytest.approx(80 + 0.3 * 255, abs=1)
    assert brighter / brighter[2] == pytest.approx([0.25, 0.5, 1], abs=0.01)
    assert (corrupted(np.zeros_like(colour), "brightness", 1) == 13).all()
    images = scene(32)
    flat = corrupted(images, "contrast", 5).astype(float)
    assert flat.mean(axis=(1, 2)) == pytest.approx(images.mean(axis=(1, 2)), abs=0.5)
    spread = (flat.std(axis=(1, 2)) / images.std(axis=(1, 2))).mean()
    assert spread == pytest.approx(0.15, abs=0.02)


def test_blurs_keep_the_mean_and_a_flat_picture():
    flat = np.full((2, 32, 32, 3), 77, np.uint8)
    for name in ("gaussian-blur", "defocus-blur", "motion-blur"):
        assert (corrupted(flat, name, 5) == 77).all()


def test_jpeg_is_pillows_and_bgr_is_given_as_it_is_seen():
    images = scene(32)
    stream = io.BytesIO()
    Image.fromarray(images[2]).save(stream, "JPEG", quality=40)
    assert (corrupted(images, "jpeg", 5)[2] == np.asarray(Image.open(stream))).all()
    other = corrupted(images[:, :, :, ::-1].copy(), "jpeg", 5, mode="BGR")
    assert (other[:, :, :, ::-1] == corrupted(images, "jpeg", 5)).all()


def test_the_constants_are_those_of_the_nearest_benchmark():
    chosen = [severities.constants_for(side, side).name for side in (28, 32, 64, 96, 128, 224)]
    assert chosen == ["CIFAR-10-C"] * 2 + ["Tiny ImageNet-C"] * 2 + ["ImageNet-C"] * 2
    assert severities.reach(severities.IMAGENET, 112, 112) == 0.5
    assert severities.reach(severities.CIFAR, 28, 28) == 1


def test_the_recipe_knows_the_same_corruptions():
    assert set(get_args(Corruption)) == set(CORRUPTIONS)


def test_what_is_not_there_is_refused():
    with pytest.raises(UsageError, match="gaussian-nois"):
        corrupted(scene(32), "gaussian-nois", 1)
    with pytest.raises(ValueError, match="severity 6"):
        corrupted(scene(32), "jpeg", 6)
    assert corrupted(scene(32)[:0], "jpeg", 1).shape == (0, 32, 32, 3)


def test_the_image_is_never_smaller_than_a_kernel_may_be():
    tiny = scene(8)
    for name in CORRUPTIONS:
        assert corrupted(tiny, name, 5).shape == tiny.shape


def test_variants_are_made_once_and_named_by_corruption_and_severity():
    images = scene(32)
    variants = Variants(images, ["jpeg", "contrast"], [1, 5], 0, "RGB")
    assert list(variants) == ["jpeg-1", "jpeg-5", "contrast-1", "contrast-5"]
    assert variants.names["contrast-5"] == ("contrast", 5)
    assert (variants["jpeg-5"] == corrupted(images, "jpeg", 5)).all()
    assert variants["jpeg-5"] is variants["jpeg-5"]
