"""Accuracy with its interval, precision, recall, F1 and the confusion matrix, from logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls.device.stats import wilson


def confusion(predicted: NDArray[Any], classes: NDArray[Any], num_classes: int) -> NDArray[Any]:
    """int64[K, K]: rows are the true classes, columns the predicted ones."""
    pairs = classes.astype(np.int64) * num_classes + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def summarize(logits: NDArray[Any], classes: NDArray[Any], labels: Sequence[str]) -> dict[str, Any]:
    """Everything as plain JSON.

    ``per_class`` has precision, recall, F1 and support of each label; a class that was never
    predicted has precision 0. Macro means weigh every class alike.
    """
    matrix = confusion(logits.argmax(axis=1), classes, len(labels))
    hits = np.diag(matrix).astype(np.float64)
    predicted, support = matrix.sum(axis=0), matrix.sum(axis=1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(predicted + support, 1)
    low, high = wilson(int(hits.sum()), len(classes))
    return {
        "top1": float(hits.sum() / max(1, len(classes))),
        "top1_low": low,
        "top1_high": high,
        "num_images": len(classes),
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
