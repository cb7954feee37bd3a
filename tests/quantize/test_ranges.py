"""Ranges: each way does what it is called, zero is always inside, symmetric where it must be."""

from __future__ import annotations

import numpy as np
import pytest

from edgecls.core import Remedies, Scheme
from edgecls.quantize.ranges import Seen, choose

ASYMMETRIC = Scheme("uint8", symmetric_activations=False)
SYMMETRIC = Scheme("int8", symmetric_activations=True)
WAYS = ("minmax", "mean", "percentile", "entropy", "histogram")


def seen(values: np.ndarray, mean: float = 0.5) -> Seen:
    sample = values.astype(np.float32)
    low, high = float(sample.min()), float(sample.max())
    return Seen(low, high, mean * low, mean * high, sample)


def outliers() -> Seen:
    """A normal distribution, and a single value far from it."""
    return seen(np.append(np.random.default_rng(0).normal(size=1_000_000), 20.0))


def noise(found: Seen, low: float, high: float) -> float:
    step = (high - low) / 255
    kept = np.clip(np.round(found.sample / step), round(low / step), round(high / step)) * step
    return float(((found.sample - kept) ** 2).mean())


@pytest.mark.parametrize("way", WAYS)
def test_zero_is_inside_and_symmetric_ranges_are_symmetric(way):
    positive = seen(np.random.default_rng(0).uniform(2, 3, 50_000))
    low, high = choose(positive, ASYMMETRIC, Remedies(ranges=way))
    assert low == 0.0 and 0 < high <= 3.0
    low, high = choose(outliers(), SYMMETRIC, Remedies(ranges=way))
    assert low == -high and high > 0


def test_minmax_and_mean_are_what_was_seen():
    found = seen(np.array([-1.0, 0.5, 4.0]))
    assert choose(found, ASYMMETRIC, Remedies()) == (-1.0, 4.0)
    assert choose(found, ASYMMETRIC, Remedies(ranges="mean")) == (-0.5, 2.0)


def test_percentile_leaves_its_share_outside_on_either_side():
    found = seen(np.linspace(-1, 1, 100_001))
    low, high = choose(found, ASYMMETRIC, Remedies(ranges="percentile", percentile=99.0))
    assert (low, high) == pytest.approx((-0.98, 0.98), abs=1e-3)


@pytest.mark.parametrize("scheme", [ASYMMETRIC, SYMMETRIC])
def test_a_histogram_cuts_an_outlier_and_has_less_noise_than_the_extremes(scheme):
    found = outliers()
    low, high = choose(found, scheme, Remedies(ranges="histogram"))
    assert high < 10
    assert noise(found, low, high) < 0.7 * noise(found, found.low, found.high)


def test_entropy_cuts_an_outlier():
    _, high = choose(outliers(), ASYMMETRIC, Remedies(ranges="entropy"))
    assert 2 < high < 10


@pytest.mark.parametrize("way", WAYS)
def test_a_tensor_of_zeros_has_a_range(way):
    low, high = choose(seen(np.zeros(1000)), ASYMMETRIC, Remedies(ranges=way))
    assert low == 0.0 and high == 0.0
