"""K-fold cross-validation: every image is judged once, by a net that has not seen it.

Folds are stratified and drawn by content: images that the net cannot tell apart are in one fold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecls.core import Classes
from edgecls.device.stats import wilson
from edgecls.errors import UsageError
from edgecls.evaluation import Folds, Trained
from edgecls.pipeline.parts import Maker, Part, Pool, Rows, answers
from edgecls.pipeline.workshop import Workshop


def cross_validate(workshop: Workshop, maker: Maker, pool: Pool, found: Sequence[Part]) -> Folds:
    """Train once for each of the parts that `drawn` gave."""
    return summary([answers(workshop, maker, pool, part).trained for part in found])


def drawn(workshop: Workshop, pool: Pool, count: int, given: Sequence[str]) -> list[Part]:
    """`count` folds of a pool. given: the splits that the folders give; a given test stays out.

    Raises UsageError where a class has fewer images than folds.
    """
    splits = [split for split in pool.starts if split != "test" or split not in given]
    rows = np.concatenate([pool.rows(split) for split in splits])
    return parts(pool, rows, count, workshop.recipe.data.validation, workshop.recipe.seed)


def parts(pool: Pool, rows: Rows, count: int, validation: float, seed: int) -> list[Part]:
    """`count` parts of those rows; validation: its share of what a fold leaves."""
    classes, marked = pool.classes[rows], pool.marks[rows]
    _check_sizes(pool, classes, marked, count)
    fold = deal(classes, marked, count, seed)
    found = []
    for i in range(count):
        rest = np.flatnonzero(fold != i)
        # So many hands that one of them is validation's share.
        hands = max(2, round(1 / validation))
        hand = deal(classes[rest], marked[rest], hands, seed + 1)
        name = f"fold {i + 1} of {count}"
        inner = rows[rest]
        found.append(Part(name, inner[hand != 0], inner[hand == 0], rows[fold == i]))
    return found


def deal(classes: Classes, marked: NDArray[np.uint64], hands: int, seed: int) -> NDArray[np.int64]:
    """A hand (0..hands - 1) for each image, int64[N]: each class is shuffled and dealt in turn.

    Equal marks get the same hand. A class goes on where the one before it ended, so that the hands
    are of one size.
    """
    unique, first, group = np.unique(marked, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(unique))
    by_class = order[np.argsort(classes[first][order], kind="stable")]
    hand = np.empty(len(unique), np.int64)
    hand[by_class] = np.arange(len(unique)) % hands
    return hand[group]


def summary(found: Sequence[Trained]) -> Folds:
    """Mean and standard deviation of the folds' top-1, and the interval of the mean.

    The folds share most of their training images, so their spread alone would promise too much:
    the variance is that of Nadeau & Bengio (Machine Learning 52, 2003), s² (1/k + 1/(k - 1)). Nor
    is it narrower than the number of images admits (Wilson's): few folds may agree by chance.
    """
    from scipy.stats import t

    tops = np.array([each.top1 for each in found])
    count = len(tops)
    mean, std = float(tops.mean()), float(tops.std(ddof=1))
    half = float(t.ppf(0.975, count - 1)) * std * math.sqrt(1 / count + 1 / (count - 1))
    images = sum(each.num_images for each in found)
    low, high = wilson(round(sum(each.top1 * each.num_images for each in found)), images)
    return Folds(
        tuple(found), mean, std, max(0.0, min(low, mean - half)), min(1.0, max(high, mean + half))
    )


def _check_sizes(pool: Pool, classes: Classes, marked: NDArray[np.uint64], count: int) -> None:
    if count < 2:
        raise UsageError(f"{count} folds are none", "give at least 2")
    for number, label in enumerate(pool.dataset.labels):
        different = len(np.unique(marked[classes == number]))
        if different < max(3, count):
            raise UsageError(
                f"class {label!r} has {different} different images, too few for {count} folds",
                "ask for fewer folds, or add images",
            )
