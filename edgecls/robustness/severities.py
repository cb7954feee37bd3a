"""How strong each corruption is at severities 1 to 5: the constants of the published benchmarks.

Hendrycks and Dietterich (ICLR 2019) gave constants for each size of image that they corrupted:
CIFAR-10-C (32 pixels), Tiny ImageNet-C (64) and ImageNet-C (224). The set that is nearest in size
is taken; where the image is larger than 64 pixels but not 224, the reach of the blurs is scaled
with its side.
"""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = (1, 2, 3, 4, 5)
Five = tuple[float, float, float, float, float]
Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Constants:
    """One benchmark's. side: in pixels, of the images that it was made for.

    gaussian_noise: standard deviation of values in 0..1. shot_noise: photons of a white pixel.
    impulse_noise: share of the values that become 0 or 1. defocus_blur: (radius of the disk, sigma
    that smooths it), motion_blur: (radius, sigma) and gaussian_blur: sigma, all in pixels.
    brightness: added to the value of HSV. contrast: factor. jpeg: quality. pixelate: factor of the
    side.
    """

    name: str
    side: int
    gaussian_noise: Five
    shot_noise: Five
    impulse_noise: Five
    gaussian_blur: Five
    defocus_blur: Pairs
    motion_blur: Pairs
    brightness: Five
    contrast: Five
    jpeg: Five
    pixelate: Five


CIFAR = Constants(
    name="CIFAR-10-C",
    side=32,
    gaussian_noise=(0.04, 0.06, 0.08, 0.09, 0.10),
    shot_noise=(500, 250, 100, 75, 50),
    impulse_noise=(0.01, 0.02, 0.03, 0.05, 0.07),
    gaussian_blur=(0.4, 0.6, 0.7, 0.8, 1.0),
    defocus_blur=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)),
    motion_blur=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    brightness=(0.05, 0.1, 0.15, 0.2, 0.3),
    contrast=(0.75, 0.5, 0.4, 0.3, 0.15),
    jpeg=(80, 65, 58, 50, 40),
    pixelate=(0.95, 0.9, 0.85, 0.75, 0.65),
)
TINY = Constants(
    name="Tiny ImageNet-C",
    side=64,
    gaussian_noise=(0.04, 0.08, 0.12, 0.15, 0.18),
    shot_noise=(250, 100, 50, 30, 15),
    impulse_noise=(0.01, 0.02, 0.05, 0.08, 0.14),
    gaussian_blur=(0.5, 0.75, 1.0, 1.25, 1.5),
    defocus_blur=((0.5, 0.6), (1.0, 0.1), (1.5, 0.1), (2.5, 0.01), (3.0, 0.1)),
    motion_blur=((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
    brightness=(0.1, 0.2, 0.3, 0.4, 0.5),
    contrast=(0.4, 0.3, 0.2, 0.1, 0.05),
    jpeg=(65, 58, 50, 40, 25),
    pixelate=(0.9, 0.8, 0.7, 0.6, 0.5),
)
IMAGENET = Constants(
    name="ImageNet-C",
    side=224,
    gaussian_noise=(0.08, 0.12, 0.18, 0.26, 0.38),
    shot_noise=(60, 25, 12, 5, 3),
    impulse_noise=(0.03, 0.06, 0.09, 0.17, 0.27),
    gaussian_blur=(1, 2, 3, 4, 6),
    defocus_blur=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    motion_blur=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    brightness=(0.1, 0.2, 0.3, 0.4, 0.5),
    contrast=(0.4, 0.3, 0.2, 0.1, 0.05),
    jpeg=(25, 18, 15, 10, 7),
    pixelate=(0.6, 0.5, 0.4, 0.3, 0.25),
)


def constants_for(height: int, width: int) -> Constants:
    """The benchmark whose images are nearest in size."""
    side = max(height, width)
    return CIFAR if side <= 48 else TINY if side <= 96 else IMAGENET


def reach(constants: Constants, height: int, width: int) -> float:
    """By what the radii of the blurs are multiplied for images of this size."""
    side = max(height, width)
    return side / constants.side if constants is IMAGENET else 1.0
