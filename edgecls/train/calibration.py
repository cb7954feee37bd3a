"""Whether a probability means what it says, and the temperature that makes it so; numpy alone.

A net that answers with 0.9 should be right nine times in ten. Temperature scaling (Guo et al.,
ICML 2017) divides the logits by one number that is fitted on validation; no answer changes, only
how sure it is. Images whose logits are not finite take no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls.device.measure import probabilities

BINS = 15
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
# The range's logarithm, halved so many times, is 1e-8.
_HALVINGS = 30

Array = NDArray[Any]


@dataclass(frozen=True)
class Bin:
    """Images whose confidence lies in (low, high]: their mean confidence and accuracy.

    Both are 0 where the bin is empty.
    """

    low: float
    high: float
    count: int
    confidence: float = 0.0
    accuracy: float = 0.0

    @property
    def gap(self) -> float:
        return abs(self.accuracy - self.confidence)


@dataclass(frozen=True)
class Calibration:
    """How far confidence and accuracy are apart.

    ece, mce: the mean (weighed by images) and the largest gap over the bins of confidence (Naeini
    et al., AAAI 2015). brier: the squared error summed over all classes, in 0..2 (Brier 1950).
    nll: the negative log-likelihood of the true class, in nats.
    """

    temperature: float
    ece: float
    mce: float
    brier: float
    nll: float
    bins: tuple[Bin, ...]


def calibration(
    logits: Array, classes: Array, temperature: float = 1.0, bins: int = BINS
) -> Calibration:
    """The figures of ``softmax(logits / temperature)``; all 0 where there is no image.

    logits: float[N, K]; classes: int[N].
    """
    logits, classes = _finite(logits, classes)
    if not len(classes):
        return Calibration(temperature, 0.0, 0.0, 0.0, 0.0, _bins(np.zeros(0), np.zeros(0), bins))
    shares = probabilities(logits, temperature)
    rows = np.arange(len(classes))
    found = _bins(shares.max(axis=1), logits.argmax(axis=1) == classes, bins)
    gaps = [(each.count, each.gap) for each in found if each.count]
    squares = (shares**2).sum(axis=1) - 2 * shares[rows, classes] + 1
    return Calibration(
        temperature=temperature,
        ece=float(sum(count * gap for count, gap in gaps) / len(classes)),
        mce=float(max(gap for _, gap in gaps)),
        brier=float(squares.mean()),
        nll=float(_nll(logits, classes, temperature).mean()),
        bins=found,
    )


def fit_temperature(logits: Array, classes: Array) -> float:
    """The temperature with the least negative log-likelihood, in 0.05..20; 1 for no images.

    Fit it on images that are not scored. Where every answer is right the likelihood alone would
    ask for a temperature of 0, so the labels are softened as if one more image of n had been
    answered with any class (as in Platt 1999): the loss stays convex in 1 / temperature, and its
    least value is where its slope changes sign.
    """
    logits, classes = _finite(logits, classes)
    if not len(classes):
        return 1.0
    scores = logits - logits.max(axis=1, keepdims=True)
    doubt = 1 / (len(classes) + 1)
    wanted = (1 - doubt) * scores[np.arange(len(classes)), classes] + doubt * scores.mean(axis=1)
    if not scores.any():
        return 1.0
    low, high = np.log(1 / MAX_TEMPERATURE), np.log(1 / MIN_TEMPERATURE)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        expected = (probabilities(scores, float(np.exp(-middle))) * scores).sum(axis=1)
        if (expected - wanted).mean() < 0:
            low = middle
        else:
            high = middle
    return float(np.clip(np.exp(-(low + high) / 2), MIN_TEMPERATURE, MAX_TEMPERATURE))


def _finite(logits: Array, classes: Array) -> tuple[Array, Array]:
    logits, classes = np.asarray(logits, np.float64), np.asarray(classes, np.int64)
    whole = np.isfinite(logits).all(axis=1)
    return logits[whole], classes[whole]


def _nll(logits: Array, classes: Array, temperature: float) -> Array:
    """From the logits: the log of a share that rounds to 0 would be infinite."""
    scaled = (logits - logits.max(axis=1, keepdims=True)) / temperature
    whole: Array = np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(classes)), classes]
    return whole


def _bins(confidence: Array, right: Array, count: int) -> tuple[Bin, ...]:
    """Bins of equal width; a confidence on an edge belongs to the bin below it."""
    place = np.clip(np.ceil(confidence * count).astype(np.int64) - 1, 0, count - 1)
    counts = np.bincount(place, minlength=count).tolist()
    confidences = np.bincount(place, confidence, minlength=count).tolist()
    rights = np.bincount(place, right, minlength=count).tolist()
    return tuple(
        Bin(i / count, (i + 1) / count, n, confidences[i] / n, rights[i] / n)
        if n
        else Bin(i / count, (i + 1) / count, 0)
        for i, n in enumerate(counts)
    )
