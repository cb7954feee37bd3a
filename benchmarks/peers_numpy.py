"""What a peer's user writes beside the model: its preprocessing in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def normalised(image: Array, constants: Mapping[str, Any]) -> Array:
    """uint8[H, W, C] -> float32[1, C, H, W]. constants: ``mean`` and ``std`` of each channel."""
    mean, std = (np.asarray(constants[name], np.float32) for name in ("mean", "std"))
    scaled = (image.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
