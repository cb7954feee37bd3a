"""Kernels sum to one; filtering is the correlation that OpenCV would do, borders mirrored."""

from __future__ import annotations

import numpy as np
import pytest

from edgecls.robustness import blur


def direct(image, kernel):
    """The convolution of float[H, W], tap by tap."""
    half = len(kernel) // 2
    padded = np.pad(image, half, mode="reflect")
    found = np.zeros_like(image)
    for dy in range(len(kernel)):
        for dx in range(len(kernel)):
            y, x = 2 * half - dy, 2 * half - dx
            found += kernel[dy, dx] * padded[y : y + image.shape[0], x : x + image.shape[1]]
    return found


@pytest.mark.parametrize(
    "kernel",
    [blur.gaussian(0.7), blur.disk(1.5, 0.1), blur.streak(6, 2, 0.5)],
    ids=["gaussian", "disk", "streak"],
)
def test_filtering_is_the_sum_over_taps(kernel):
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    images = np.random.default_rng(0).random((2, 12, 9, 2)).astype(np.float32)
    found = blur.filtered(images, kernel[None])
    for i in range(2):
        for c in range(2):
            assert found[i, :, :, c] == pytest.approx(direct(images[i, :, :, c], kernel), abs=1e-5)


def test_each_image_may_have_a_kernel_of_its_own():
    images = np.random.default_rng(0).random((2, 8, 8, 1)).astype(np.float32)
    kernels = np.stack([np.pad(blur.gaussian(0.3), 1), np.pad(blur.disk(1.0, 0.2), 0)])
    both = blur.filtered(images, kernels)
    for i in range(2):
        assert both[i : i + 1] == pytest.approx(
            blur.filtered(images[i : i + 1], kernels[i : i + 1]), abs=1e-6
        )


def test_a_disk_is_round_and_a_streak_has_a_direction():
    disk = blur.disk(6, 0.5)
    assert disk == pytest.approx(disk.T) and disk == pytest.approx(disk[::-1])
    level = blur.streak(6, 2, 0.0)
    assert np.count_nonzero(level.sum(axis=1)) == 1
    assert np.count_nonzero(level.sum(axis=0)) > 5
