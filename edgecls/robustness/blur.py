"""Kernels of blurs, and images filtered with them through the Fourier transform; numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def filtered(images: Floats, kernels: Floats) -> Floats:
    """Each image, float32[N, H, W, C], filtered with its kernel, float32[N or 1, k, k], k odd.

    Borders are mirrored without their last line (OpenCV's reflect-101), as far as there are
    pixels; a convolution, so a kernel's tap right of its centre takes the pixel at the left.
    """
    half = kernels.shape[1] // 2
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (half, half), (half, half), (0, 0)), mode="reflect")
    size = padded.shape[1:3]
    spectrum = np.fft.rfft2(padded, axes=(1, 2))
    spectrum *= np.fft.rfft2(kernels, s=size, axes=(1, 2))[..., None]
    whole = np.fft.irfft2(spectrum, s=size, axes=(1, 2))
    # The kernel's corner, not its centre, was at the origin: the result lies that much further.
    inside = whole[:, 2 * half : 2 * half + height, 2 * half : 2 * half + width]
    return inside.astype(np.float32, copy=False)


def gaussian(sigma: float, half: int | None = None) -> Floats:
    """float32[k, k] of sum 1, cut at four sigmas or at `half` pixels."""
    reach = max(1, int(4 * sigma + 0.5)) if half is None else half
    line = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma * sigma))
    return _whole(np.outer(line, line))


def disk(radius: float, sigma: float) -> Floats:
    """The image of a point out of focus: a disk whose edge is smoothed, float32[k, k] of sum 1."""
    half = int(np.ceil(radius))
    line = np.arange(-half, half + 1)
    sharp = (line[:, None] ** 2 + line[None, :] ** 2 <= radius * radius).astype(np.float64)
    edge = 1 if radius <= 8 else 2
    soft = gaussian(sigma, edge).astype(np.float64)
    padded = np.pad(sharp / sharp.sum(), 2 * edge)
    side = len(sharp) + 2 * edge
    smooth = np.zeros((side, side))
    for dy in range(2 * edge + 1):
        for dx in range(2 * edge + 1):
            smooth += soft[dy, dx] * padded[dy : dy + side, dx : dx + side]
    return _whole(smooth)


def streak(radius: float, sigma: float, angle: float) -> Floats:
    """A movement in one direction: half a bell along a line, float32[k, k] of sum 1.

    As ImageMagick's motion blur: 2 × radius + 1 taps, each at its nearest pixel. angle: in radians.
    """
    taps = np.arange(2 * int(np.ceil(radius)) + 1)
    # What weighs less than a thousandth would only make the kernel, and its border, larger.
    weights = np.exp(-(taps**2) / (2 * sigma * sigma))
    taps, weights = taps[weights > 1e-3], weights[weights > 1e-3]
    half = int(taps[-1])
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    rows = half + np.rint(taps * np.sin(angle)).astype(int)
    columns = half + np.rint(taps * np.cos(angle)).astype(int)
    np.add.at(kernel, (rows, columns), weights)
    return _whole(kernel)


def _whole(kernel: NDArray[Any]) -> Floats:
    whole: Floats = (kernel / kernel.sum()).astype(np.float32)
    return whole
