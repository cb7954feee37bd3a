"""Accuracy with its interval, precision, recall, F1, calibration and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls.device.stats import wilson
from edgecls.train.calibration import calibration

TOP = 5


def confusion(predicted: NDArray[Any], classes: NDArray[Any], num_classes: int) -> NDArray[Any]:
    """int64[K, K]: rows are the true classes, columns the predicted ones."""
    pairs = classes.astype(np.int64) * num_classes + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def top_k(logits: NDArray[Any], classes: NDArray[Any], k: int) -> float:
    """The share of images whose class is among the k highest logits; of equals the first class."""
    best = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return float((best == np.asarray(classes)[:, None]).any(axis=1).sum() / max(1, len(classes)))


def summarize(
    logits: NDArray[Any],
    classes: NDArray[Any],
    labels: Sequence[str],
    temperature: float = 1.0,
) -> dict[str, Any]:
    """Everything as plain JSON.

    ``top5`` only where there are more classes than that. ``ece``, ``mce``, ``brier`` and ``nll``
    are of the probabilities at `temperature`; see `Calibration`. ``per_class`` has precision,
    recall, F1 and support of each label; a class that was never predicted has precision 0. Macro
    means weigh every class alike.
    """
    matrix = confusion(logits.argmax(axis=1), classes, len(labels))
    hits = np.diag(matrix).astype(np.float64)
    predicted, support = matrix.sum(axis=0), matrix.sum(axis=1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(predicted + support, 1)
    low, high = wilson(int(hits.sum()), len(classes))
    sure = calibration(logits, classes, temperature)
    top5 = {"top5": top_k(logits, classes, TOP)} if len(labels) > TOP else {}
    return {
        "top1": float(hits.sum() / max(1, len(classes))),
        "top1_low": low,
        "top1_high": high,
        **top5,
        "num_images": len(classes),
        "ece": sure.ece,
        "mce": sure.mce,
        "brier": sure.brier,
        "nll": sure.nll,
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "per_class": {
            label: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, label in enumerate(labels)
        },
    }
