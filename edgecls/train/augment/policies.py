"""RandAugment (Cubuk et al. 2020) and TrivialAugment (Müller & Hutter 2021).

The operations are torchvision's; drawn here, because torchvision's own classes draw from torch's
global generator, which a thread that works ahead would disturb.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as V

from edgecls.train.options import Policy

BINS = 31
# Operations of an image and their magnitude, as in torchvision's defaults.
RANDAUGMENT_OPERATIONS, RANDAUGMENT_MAGNITUDE = 2, 9
_SMOOTH = InterpolationMode.BILINEAR


@dataclass(frozen=True)
class Operation:
    """apply: (uint8[C, H, W], value). signed: drawn to both sides. bounds: of value, by magnitude.

    The two bounds are those of RandAugment and of TrivialAugment at the largest magnitude.
    """

    apply: Callable[[Tensor, float], Tensor]
    rand: float = 0.0
    trivial: float = 0.0
    signed: bool = True


def _slanted(image: Tensor, x: float, y: float) -> Tensor:
    """Slanted by so many columns a row, or rows a column, about the upper left corner."""
    slant = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return V.affine(  # type: ignore[no-any-return]
        image, 0.0, [0, 0], 1.0, slant, interpolation=_SMOOTH, center=[0.0, 0.0]
    )


def _moved(image: Tensor, x: float, y: float) -> Tensor:
    shift = [round(x), round(y)]
    return V.affine(  # type: ignore[no-any-return]
        image, 0.0, shift, 1.0, [0.0, 0.0], interpolation=_SMOOTH
    )


def _posterized(image: Tensor, lost: float) -> Tensor:
    return V.posterize(image, 8 - round(lost))  # type: ignore[no-any-return]


def _solarized(image: Tensor, share: float) -> Tensor:
    return V.solarize(image, 255 * (1 - share))  # type: ignore[no-any-return]


# Factors of the enhancing ones are 1 + value. RandAugment moves by up to 150/331 of the side, the
# published TrivialAugment by up to 32 pixels of any image, which leaves nothing of one of 32: here
# by the same share of the side as of 224, rounded to whole pixels.
OPERATIONS: tuple[Operation, ...] = (
    Operation(lambda image, value: image),
    Operation(lambda image, value: _slanted(image, value, 0.0), 0.3, 0.99),
    Operation(lambda image, value: _slanted(image, 0.0, value), 0.3, 0.99),
    Operation(lambda image, value: _moved(image, value * image.shape[-1], 0), 150 / 331, 32 / 224),
    Operation(lambda image, value: _moved(image, 0, value * image.shape[-2]), 150 / 331, 32 / 224),
    Operation(lambda image, value: V.rotate(image, value, _SMOOTH), 30.0, 135.0),
    Operation(lambda image, value: V.adjust_brightness(image, 1 + value), 0.9, 0.99),
    Operation(lambda image, value: V.adjust_saturation(image, 1 + value), 0.9, 0.99),
    Operation(lambda image, value: V.adjust_contrast(image, 1 + value), 0.9, 0.99),
    Operation(lambda image, value: V.adjust_sharpness(image, 1 + value), 0.9, 0.99),
    Operation(_posterized, 4.0, 6.0, signed=False),
    Operation(_solarized, 1.0, 1.0, signed=False),
    Operation(lambda image, value: V.autocontrast(image)),
    Operation(lambda image, value: V.equalize(image)),
)


def apply(policy: Policy, batch: Tensor, generator: Generator) -> Tensor:
    """uint8[N, C, H, W], every image changed by its own draw of operations."""
    count = len(batch)
    rounds = RANDAUGMENT_OPERATIONS if policy == "randaugment" else 1
    kinds = torch.randint(len(OPERATIONS), (rounds, count), generator=generator).tolist()
    bins = torch.randint(BINS, (rounds, count), generator=generator).tolist()
    signs = torch.randint(2, (rounds, count), generator=generator).tolist()
    made = list(batch.unbind())
    for kind_row, bin_row, sign_row in zip(kinds, bins, signs, strict=True):
        for i, (kind, magnitude, sign) in enumerate(zip(kind_row, bin_row, sign_row, strict=True)):
            operation = OPERATIONS[kind]
            value = operation.trivial * magnitude / (BINS - 1)
            if policy == "randaugment":
                value = operation.rand * RANDAUGMENT_MAGNITUDE / (BINS - 1)
            made[i] = operation.apply(made[i], -value if operation.signed and sign else value)
    return torch.stack(made).contiguous(memory_format=torch.channels_last)
