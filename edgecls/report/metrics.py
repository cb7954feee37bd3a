"""Figures of a confusion matrix: int64[K, K], true class by row, predicted class by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Classes = NDArray[np.integer[Any]]
    Matrix = NDArray[np.int64]


@dataclass(frozen=True)
class ClassFigures:
    """One class's figures; None where the ratio has no meaning. support: its test images."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


def confusion(classes: Classes, predicted: Classes, num_classes: int) -> Matrix:
    """How often each true class was predicted as each. Raises ValueError for arrays that differ."""
    import numpy as np

    if classes.shape != predicted.shape or classes.ndim != 1:
        raise ValueError("one prediction for each image is needed")
    both = np.concatenate([classes, predicted])
    if len(both) and (both.min() < 0 or both.max() >= num_classes):
        raise ValueError(f"classes outside 0..{num_classes - 1}")
    cells = classes.astype(np.int64) * num_classes + predicted
    counts = np.bincount(cells, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def per_class(matrix: Matrix) -> list[ClassFigures]:
    """Precision, recall and F1 of every class."""
    hits = matrix.diagonal().tolist()
    supports, calls = matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist()
    return [
        ClassFigures(
            precision=_ratio(hit, called),
            recall=_ratio(hit, support),
            f1=_ratio(2 * hit, called + support),
            support=int(support),
        )
        for hit, support, called in zip(hits, supports, calls, strict=True)
    ]


def most_confused(matrix: Matrix, limit: int) -> list[tuple[int, int, int]]:
    """(true, predicted, count) of the pairs that are mistaken most often, largest first."""
    import numpy as np

    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = [(int(i) // len(wrong), int(i) % len(wrong)) for i in order]
    return [(true, said, int(wrong[true, said])) for true, said in pairs if wrong[true, said] > 0]


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
