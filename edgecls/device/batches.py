"""Any number of images through a model that takes a fixed number of them at once."""

from typing import Any, Callable

import numpy as np

DYNAMIC = "dynamic"


def in_batches(
    run: "Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]",
    images: "np.ndarray[Any, Any]",
    batch: Any,
) -> "np.ndarray[Any, Any]":
    """float32[N, K] by a `run` that takes `batch` images at once, or any number if DYNAMIC.

    The last part is filled up with its last image.
    """
    if batch == DYNAMIC or len(images) == batch:
        return run(images)
    parts = []
    for start in range(0, len(images), batch):
        given = images[start : start + batch]
        lacking = batch - len(given)
        whole = np.concatenate([given, np.repeat(given[-1:], lacking, 0)]) if lacking else given
        parts.append(run(whole)[: len(given)])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def at_once(runner: Any) -> int:
    """How many images a query of a runner takes: its fixed batch, else 1."""
    batch = getattr(runner, "batch", 1)
    return batch if isinstance(batch, int) and batch > 0 else 1
