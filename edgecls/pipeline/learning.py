"""The learning curve: how much more images would help, told by training on fewer.

The parts are nested and stratified, and all are chosen and judged on the same images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgecls.device.stats import mcnemar
from edgecls.errors import UsageError
from edgecls.evaluation import LearningCurve
from edgecls.pipeline.parts import Answers, Maker, Part, Pool, answers
from edgecls.pipeline.workshop import Workshop


def learning_curve(
    workshop: Workshop, maker: Maker, pool: Pool, found: Sequence[Part]
) -> LearningCurve:
    """Train once for each of the parts that `parts` gave."""
    return _curve([answers(workshop, maker, pool, part) for part in found], pool)


def ascending(shares: Sequence[float]) -> list[float]:
    """The sizes of a curve, each once. Raises UsageError for shares that are none."""
    sizes = sorted(set(shares))
    if len(sizes) < 2 or not all(0 < share <= 1 for share in sizes):
        raise UsageError(
            f"{', '.join(f'{share:g}' for share in shares)} are no sizes of a learning curve",
            "give at least two different shares of the training images, such as 0.1,0.25,0.5,1",
        )
    return sizes


def parts(pool: Pool, shares: Sequence[float], workshop: Workshop) -> list[Part]:
    """A part for each share, ascending. Raises UsageError for shares that are no curve."""
    sizes = ascending(shares)
    train, seed = pool.rows("train"), workshop.recipe.seed
    order = np.random.default_rng(seed).permutation(len(train))
    classes = pool.classes[train]
    rank = np.empty(len(train), np.int64)
    for number in range(len(pool.dataset.labels)):
        members = order[classes[order] == number]
        rank[members] = np.arange(len(members))
    counts = np.bincount(classes, minlength=len(pool.dataset.labels))
    validation, test = pool.rows("validation"), pool.rows("test")
    return [
        Part(f"{100 * share:.3g} % of the images", train[rank < wanted], validation, test)
        for share in sizes
        for wanted in [np.maximum(1, np.rint(share * counts))[classes]]
    ]


def _curve(made: Sequence[Answers], pool: Pool) -> LearningCurve:
    before, last = made[-2], made[-1]
    truth = pool.classes[pool.rows("test")]
    was, is_ = before.logits.argmax(axis=1) == truth, last.logits.argmax(axis=1) == truth
    doublings = math.log2(last.trained.num_train / before.trained.num_train)
    gain = (last.trained.top1 - before.trained.top1) / doublings if doublings else 0.0
    p_value = mcnemar(int((was & ~is_).sum()), int((~was & is_).sum()))
    return LearningCurve(tuple(each.trained for each in made), gain, p_value)
