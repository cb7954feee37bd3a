"""Generators and pictures on which one can see what was done to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

Seeded = Callable[..., Generator]


@pytest.fixture
def seeded() -> Seeded:
    """A generator of that seed."""
    return lambda seed=0: Generator().manual_seed(seed)


@pytest.fixture
def noise() -> Callable[..., Tensor]:
    """uint8[N, H, W, C] of noise."""

    def make(*shape: int) -> Tensor:
        return torch.randint(
            0, 256, shape, dtype=torch.uint8, generator=Generator().manual_seed(99)
        )

    return make
