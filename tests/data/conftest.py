"""Tiny folders of generated images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecls.device.preprocess import Preprocess

Paint = Callable[[Path, int], None]


@pytest.fixture
def paint() -> Paint:
    """Write a 12×10 image of noise; the number says which noise."""

    def write(path: Path, number: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (10, 12, 3), np.uint8)
        Image.fromarray(noise).save(path)

    return write


@pytest.fixture
def folder(tmp_path: Path, paint: Paint) -> Callable[[Mapping[str, int]], Path]:
    """A folder of different images: class folder -> how many."""

    def make(counts: Mapping[str, int]) -> Path:
        root = tmp_path / "images"
        number = 0
        for name, count in counts.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                paint(root / name / f"{index:03d}.png", number)
                number += 1
        return root

    return make


@pytest.fixture
def small() -> Preprocess:
    return Preprocess((8, 8))
