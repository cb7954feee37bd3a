"""The range of an activation's quantizer, chosen from what the calibration images gave.

A range always holds zero: padding and ReLU's zeros must stay exact. Outside of it values are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecls.core import Ranges, Remedies, Scheme

Range = tuple[float, float]
_BINS = 2048
# Shares of the whole range that are tried as its cut, on either side.
_CUTS = np.linspace(1.0, 0.05, 58)
_EPSILON = 1e-9


@dataclass(frozen=True)
class Seen:
    """What a tensor was on the calibration images.

    low, high: its extremes; mean_low, mean_high: of the images' extremes; sample: float32[N],
    values drawn evenly from all images.
    """

    low: float
    high: float
    mean_low: float
    mean_high: float
    sample: NDArray[np.float32]


def choose(seen: Seen, scheme: Scheme, remedies: Remedies) -> Range:
    """The range (low ≤ 0 ≤ high) of a tensor; symmetric where the scheme is."""
    low, high = _HOW[remedies.ranges](seen, scheme, remedies)
    low, high = min(low, 0.0), max(high, 0.0)
    if scheme.symmetric_activations:
        high = max(-low, high)
        low = -high
    return low, high


def _minmax(seen: Seen, scheme: Scheme, remedies: Remedies) -> Range:
    return seen.low, seen.high


def _mean(seen: Seen, scheme: Scheme, remedies: Remedies) -> Range:
    return seen.mean_low, seen.mean_high


def _percentile(seen: Seen, scheme: Scheme, remedies: Remedies) -> Range:
    outside = 100.0 - remedies.percentile
    low, high = np.percentile(seen.sample, [outside, 100.0 - outside])
    return float(low), float(high)


def _histogram(seen: Seen, scheme: Scheme, remedies: Remedies) -> Range:
    """The range with the least squared error: both sides together, then each on its own."""
    counts, centres = _counted(seen.sample, seen.low, seen.high)
    if not counts.any():
        return seen.low, seen.high
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    if scheme.symmetric_activations:
        top = max(-low, high)
        return _best(counts, centres, ((-top * cut, top * cut) for cut in _CUTS))
    low, high = _best(counts, centres, ((low * cut, high * cut) for cut in _CUTS))
    low, high = _best(counts, centres, ((low * cut, high) for cut in _CUTS))
    return _best(counts, centres, ((low, high * cut) for cut in _CUTS))


def _best(
    counts: NDArray[np.float64], centres: NDArray[np.float64], candidates: Iterator[Range]
) -> Range:
    errors = [(_squared_error(counts, centres, low, high), low, high) for low, high in candidates]
    _, low, high = min(errors, key=lambda found: found[0])
    return low, high


def _squared_error(
    counts: NDArray[np.float64], centres: NDArray[np.float64], low: float, high: float
) -> float:
    step = max(high - low, _EPSILON) / 255
    levels = np.clip(np.round(centres / step), np.round(low / step), np.round(high / step))
    return float((counts * (centres - levels * step) ** 2).sum())


def _entropy(seen: Seen, scheme: Scheme, remedies: Remedies) -> Range:
    """The threshold whose quantized distribution diverges least from the whole (TensorRT's)."""
    one_sided = seen.low >= 0 and not scheme.symmetric_activations
    levels = 256 if one_sided else 128
    top = max(-seen.low, seen.high)
    counts, _ = _counted(np.abs(seen.sample), 0.0, top)
    if not counts.any():
        return seen.low, seen.high
    ends = range(levels, _BINS + 1, 16)
    divergences = [_divergence(counts, end, levels) for end in ends]
    cut = top * ends[int(np.argmin(divergences))] / _BINS
    return max(seen.low, -cut), min(seen.high, cut)


def _divergence(counts: NDArray[np.float64], end: int, levels: int) -> float:
    """Kullback-Leibler, of the counts cut at `end`, from what so many levels keep of them."""
    inside = counts[:end]
    starts = (np.arange(levels) * end) // levels
    widths = np.diff([*starts, end])
    filled = np.add.reduceat((inside > 0).astype(np.float64), starts)
    shares = np.add.reduceat(inside, starts) / np.maximum(filled, 1)
    kept = np.repeat(shares, widths) * (inside > 0)
    whole = inside.copy()
    whole[-1] += counts[end:].sum()
    p, q = whole / whole.sum(), (kept + _EPSILON) / (kept + _EPSILON).sum()
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())


def _counted(
    sample: NDArray[np.float32], low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts and centres of bins; without zeros, which every quantizer holds exactly."""
    values = sample[sample != 0]
    counts, edges = np.histogram(values, _BINS, (low, max(high, low + _EPSILON)))
    return counts.astype(np.float64), (edges[:-1] + edges[1:]) / 2


_HOW: dict[Ranges, Callable[[Seen, Scheme, Remedies], Range]] = {
    "minmax": _minmax,
    "mean": _mean,
    "percentile": _percentile,
    "entropy": _entropy,
    "histogram": _histogram,
}
