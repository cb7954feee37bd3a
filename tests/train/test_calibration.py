"""Calibration against figures counted by hand and by scikit-learn; a temperature that holds."""

from __future__ import annotations

import numpy as np
import pytest

from edgecls.device.measure import probabilities
from edgecls.train.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    calibration,
    fit_temperature,
)


def logits_of(shares: list[list[float]]) -> np.ndarray:
    return np.log(np.array(shares))


def sampled(count: int = 4000, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the very distribution that the classes are drawn from."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=spread, size=(count, 5))
    cumulated = probabilities(logits, 1.0).cumsum(axis=1)
    return logits, (rng.random((count, 1)) > cumulated).sum(axis=1)


def test_the_gaps_are_as_counted_by_hand():
    # Confidence 0.9 twice, once right; 0.6 twice, both right: gaps 0.4 and 0.4 in their bins.
    logits = logits_of([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    found = calibration(logits, np.array([0, 1, 0, 1]), bins=10)
    filled = {round(each.low, 1): each for each in found.bins if each.count}
    assert sorted(filled) == [0.5, 0.8]
    assert (filled[0.8].count, filled[0.8].accuracy) == (2, 0.5)
    assert filled[0.8].confidence == pytest.approx(0.9)
    assert (filled[0.5].count, filled[0.5].accuracy) == (2, 1.0)
    assert found.ece == pytest.approx(0.4) and found.mce == pytest.approx(0.4)


def test_the_mean_gap_weighs_images_and_the_largest_does_not():
    logits = logits_of([[0.75, 0.25]] * 3 + [[0.95, 0.05]])
    found = calibration(logits, np.array([0, 0, 0, 1]))
    assert found.ece == pytest.approx((3 * 0.25 + 0.95) / 4)
    assert found.mce == pytest.approx(0.95)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below_and_certainty_to_the_last():
    found = calibration(np.array([[0.0, 0.0], [800.0, 0.0]]), np.array([0, 0]), bins=2)
    assert [each.count for each in found.bins] == [1, 1]
    assert [(each.low, each.high) for each in found.bins] == [(0, 0.5), (0.5, 1)]


def test_brier_and_likelihood_agree_with_scikit_learn():
    from sklearn.metrics import brier_score_loss, log_loss

    logits, classes = sampled(300)
    for temperature in (1.0, 2.5):
        shares = probabilities(logits, temperature)
        found = calibration(logits, classes, temperature)
        assert found.nll == pytest.approx(log_loss(classes, shares))
        one_hot = np.eye(5)[classes]
        assert found.brier == pytest.approx(((shares - one_hot) ** 2).sum(axis=1).mean())
        each = [brier_score_loss(one_hot[:, k], shares[:, k]) for k in range(5)]
        assert found.brier == pytest.approx(sum(each))


def test_a_share_that_rounds_to_zero_has_a_finite_likelihood():
    assert calibration(np.array([[1e4, 0.0]]), np.array([1])).nll == pytest.approx(1e4)


def test_probabilities_that_are_right_have_a_small_gap_and_doubled_logits_a_large_one():
    logits, classes = sampled()
    assert calibration(logits, classes).ece < 0.02
    assert calibration(2 * logits, classes).ece > 0.05


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_the_temperature_undoes_what_the_logits_were_scaled_by(factor):
    logits, classes = sampled()
    assert fit_temperature(factor * logits, classes) == pytest.approx(factor, rel=0.05)


def test_no_other_temperature_is_more_likely():
    logits, classes = sampled(2000)
    logits = 2 * logits
    best = fit_temperature(logits, classes)
    at = calibration(logits, classes, best).nll
    for other in (0.8 * best, 1.25 * best, 1.0):
        assert at < calibration(logits, classes, other).nll


def test_it_changes_no_answer_and_closes_the_gap():
    logits, classes = sampled()
    found = fit_temperature(3 * logits, classes)
    assert calibration(3 * logits, classes, found).ece < calibration(3 * logits, classes).ece / 3
    assert ((3 * logits / found).argmax(axis=1) == logits.argmax(axis=1)).all()


@pytest.mark.parametrize("count", [5, 50, 2000])
def test_a_perfect_validation_gives_no_absurd_certainty(count):
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 10, count)
    logits = 4 * np.eye(10)[classes] + rng.normal(scale=0.5, size=(count, 10))
    assert (logits.argmax(axis=1) == classes).all()
    found = fit_temperature(logits, classes)
    assert MIN_TEMPERATURE < found < MAX_TEMPERATURE
    # As sure as one mistake in so many images, and a half of a class of ten, allows.
    doubt = 1 - probabilities(logits, found).max(axis=1).mean()
    assert 0.2 / count < doubt < 3 / count


def test_answers_that_are_worse_than_chance_stay_in_the_bounds():
    logits = np.array([[5.0, 0.0], [0.0, 5.0]] * 20)
    assert fit_temperature(logits, np.array([1, 0] * 20)) == pytest.approx(MAX_TEMPERATURE)


def test_tiny_logits_stay_in_the_bounds():
    classes = np.arange(40) % 2
    assert fit_temperature(1e-6 * np.eye(2)[classes], classes) == pytest.approx(MIN_TEMPERATURE)


def test_where_there_is_nothing_to_fit_it_is_one():
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, np.int64)) == 1.0
    assert fit_temperature(np.full((4, 3), 2.0), np.zeros(4, np.int64)) == 1.0
    assert fit_temperature(np.full((4, 3), np.nan), np.zeros(4, np.int64)) == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_images_without_finite_logits_take_no_part(bad):
    logits, classes = sampled(200)
    more = np.concatenate([logits, np.full((1, 5), bad)])
    with_bad = np.concatenate([classes, [0]])
    assert fit_temperature(more, with_bad) == fit_temperature(logits, classes)
    assert calibration(more, with_bad) == calibration(logits, classes)


def test_no_images_have_no_gap():
    found = calibration(np.zeros((0, 3)), np.zeros(0, np.int64))
    assert (found.ece, found.mce, found.brier, found.nll) == (0, 0, 0, 0)
    assert len(found.bins) == 15 and not any(each.count for each in found.bins)


def test_huge_logits_do_not_overflow():
    logits = np.array([[1e30, 0.0], [0.0, 1e30]])
    assert np.isfinite(fit_temperature(logits, np.array([0, 1])))
    assert calibration(logits, np.array([0, 1])).ece == 0
