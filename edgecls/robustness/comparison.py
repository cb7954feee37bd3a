"""Two models on the same images: what changed, and whether chance explains it; numpy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecls.compared import ClassChange, Comparison, Excess, Paired
from edgecls.device import stats

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Z95 = 1.959963984540054


def paired(before: Bools, after: Bools) -> Paired:
    """From which images the source and the model get right; the p-value is not yet corrected."""
    both, neither = int((before & after).sum()), int((~before & ~after).sum())
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    low, high = newcombe(both, gained, lost, neither)
    return Paired(
        both=both,
        lost=lost,
        gained=gained,
        neither=neither,
        difference=(gained - lost) / max(1, len(before)),
        low=low,
        high=high,
        p_value=stats.mcnemar(lost, gained),
    )


def newcombe(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """The 95 % interval of a difference of two accuracies on the same images.

    first, second: images that the first or the second model alone gets right; the difference is
    the first's minus the second's. Newcombe (Statistics in Medicine 17, 1998), method 10: Wilson's
    intervals of the two accuracies, joined with regard to their correlation. Unlike Wald's it is
    not of length 0 where no image is answered differently.
    """
    count = both + first + second + neither
    if not count:
        return -1.0, 1.0
    right = (both + first, both + second)
    shares = [each / count for each in right]
    (low1, high1), (low2, high2) = (stats.wilson(each, count) for each in right)
    margins = math.prod((both + first, second + neither, both + second, first + neither))
    phi = 0.0
    if margins:
        product = float(both * neither - first * second)
        if product > 0:
            product = max(0.0, product - count / 2)
        phi = product / math.sqrt(margins)
    difference = shares[0] - shares[1]
    below = _joined(shares[0] - low1, high2 - shares[1], phi)
    above = _joined(high1 - shares[0], shares[1] - low2, phi)
    return max(-1.0, difference - below), min(1.0, difference + above)


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same with their p-values corrected for their number (Holm)."""
    values = stats.holm([each.paired.p_value for each in comparisons])
    return [
        replace(each, paired=replace(each.paired, p_value=value))
        for each, value in zip(comparisons, values, strict=True)
    ]


def class_changes(classes: Numbers, before: Bools, after: Bools) -> tuple[ClassChange, ...]:
    """Every class that has images, by its number."""
    found = []
    for number in np.unique(classes).tolist():
        mine = classes == number
        lost = int((before & ~after & mine).sum())
        gained = int((~before & after & mine).sum())
        right = int((before & mine).sum())
        p_value = stats.mcnemar(lost, gained)
        found.append(ClassChange(number, int(mine.sum()), right, lost, gained, p_value))
    values = stats.holm([each.p_value for each in found])
    return tuple(replace(each, p_value=p) for each, p in zip(found, values, strict=True))


def chosen_flips(
    classes: Numbers, before: Numbers, after: Numbers, sure: NDArray[np.floating], most: int
) -> Numbers:
    """Which flipped images to show: newly wrong ones first, the surest of their new answer first.

    A third of the places is kept for images that are newly right, where there are so many. before,
    after: the answers. sure: the probability of each new answer.
    """
    flipped = before != after
    lost = _surest(np.flatnonzero(flipped & (before == classes)), sure)
    gained = _surest(np.flatnonzero(flipped & (after == classes)), sure)
    other = _surest(np.flatnonzero(flipped & (before != classes) & (after != classes)), sure)
    kept = lost[: most - min(len(gained), most // 3)]
    shown: Numbers = np.concatenate([kept, gained, other])[:most]
    return shown


def _surest(rows: Numbers, sure: NDArray[np.floating]) -> Numbers:
    chosen: Numbers = rows[np.argsort(-sure[rows], kind="stable")]
    return chosen


@dataclass(frozen=True)
class Right:
    """Which images a model gets right. clean: bool[N]; changed: bool[V, N], a row a change."""

    clean: Bools
    changed: Bools

    @property
    def loss(self) -> NDArray[np.float64]:
        """Of each image: right unchanged, less the share of its changes that it is right in."""
        lost: NDArray[np.float64] = self.clean - self.changed.mean(axis=0)
        return lost


def excess(before: Right, after: Right) -> Excess | None:
    """How much more `after` loses than `before`; None where there is nothing to tell it from.

    The interval is Wald's of the mean over images, each with its difference of losses: the changes
    of one image are not independent, the images are.
    """
    if not before.changed.size or len(before.clean) < 2:
        return None
    differences = after.loss - before.loss
    value = float(differences.mean())
    spread = Z95 * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return Excess(value, value - spread, value + spread)


def accuracies(right: Bools, names: Sequence[tuple[str, int]]) -> Mapping[str, tuple[float, ...]]:
    """bool[V, N] as corruption -> its accuracies. names: (corruption, severity) of each row."""
    found: dict[str, tuple[float, ...]] = {}
    for (corruption, _), row in zip(names, right, strict=True):
        found[corruption] = (*found.get(corruption, ()), float(row.mean()))
    return found
