"""Nets with fresh weights, saved as checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from edgecls.core import Dataset
from edgecls.device.preprocess import Preprocess
from edgecls.models import checkpoint, zoo

SaveNet = Callable[..., Path]


@pytest.fixture
def save_net(tmp_path: Path) -> SaveNet:
    """A checkpoint of `arch` for 4 classes; its only images are eight of noise."""

    def make(arch: str = "lenet5", channels: int = 1, size: tuple[int, int] = (20, 20)) -> Path:
        torch.manual_seed(0)
        net = zoo.build(arch, 4, channels, size)
        shape = (8, *size, channels)
        data = Dataset(
            labels=("a", "b", "c", "ü"),
            preprocess=Preprocess(
                size,
                mode="L" if channels == 1 else "RGB",
                mean=(0.5,) * channels,
                std=(0.25,) * channels,
            ),
            splits={
                "calibration": (
                    np.random.default_rng(0).integers(0, 256, shape, np.uint8),
                    np.zeros(8, np.int64),
                )
            },
            fingerprint="",
            golden=(b"an image",),
        )
        out = tmp_path / arch
        out.mkdir()
        curves = [{"epoch": 1, "train_loss": 0.5}]
        metrics = {"validation": {"top1": 0.25}}
        checkpoint.save(
            out, net, arch, data, metrics=metrics, provenance={"seed": 3}, curves=curves
        )
        return out

    return make
