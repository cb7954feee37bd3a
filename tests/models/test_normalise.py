"""Normalisation is the formula of `Preprocess`, and is inside what ships."""

from __future__ import annotations

import numpy as np
import torch

from edgecls.device.preprocess import Preprocess
from edgecls.models.normalise import Deployable, Normalise

PREPROCESS = Preprocess((4, 6), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def test_it_is_the_formula_of_preprocess():
    values = torch.arange(256.0).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    found = Normalise(PREPROCESS)(values).numpy()
    for channel in range(3):
        expected = (np.arange(256) / 255 - PREPROCESS.mean[channel]) / PREPROCESS.std[channel]
        np.testing.assert_allclose(found[0, channel].ravel(), expected, rtol=0, atol=1e-6)


def test_what_ships_takes_bytes_in_height_width_channels():
    net = Deployable(torch.nn.Flatten(), PREPROCESS)
    image = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    expected = (image / 255 - PREPROCESS.mean) / PREPROCESS.std
    found = net(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2).reshape(2, -1), atol=1e-5)
    assert found.dtype == np.float32
