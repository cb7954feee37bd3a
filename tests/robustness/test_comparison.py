"""Paired comparisons against worked examples, and flips in the order in which they are shown."""

from __future__ import annotations

import numpy as np
import pytest

from edgecls.compared import Comparison, Side
from edgecls.device import stats
from edgecls.robustness.comparison import (
    Right,
    accuracies,
    chosen_flips,
    class_changes,
    corrected,
    excess,
    newcombe,
    paired,
)


def hits(text):
    return np.array([sign == "1" for sign in text])


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    # Newcombe (1998), the examples of his tables for method 10.
    [((36, 12, 2, 0), 0.0569, 0.3404), ((36, 14, 0, 0), 0.1528, 0.4167)],
)
def test_the_interval_is_newcombes(cells, low, high):
    assert newcombe(*cells) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_turns_with_its_models_and_holds_its_difference():
    low, high = newcombe(80, 3, 12, 5)
    assert newcombe(80, 12, 3, 5) == pytest.approx((-high, -low))
    assert low < -0.09 < high
    none = newcombe(95, 0, 0, 5)
    assert none[0] < 0 < none[1] and none[1] - none[0] < 0.1
    assert newcombe(0, 0, 0, 0) == (-1, 1)


def test_a_pair_is_counted_from_the_sources_side():
    found = paired(hits("1111100000"), hits("1100011100"))
    assert (found.both, found.lost, found.gained, found.neither) == (2, 3, 3, 2)
    assert found.num_images == 10 and found.difference == 0
    assert found.low < 0 < found.high and found.p_value == 1
    worse = paired(hits("1111111111"), hits("1111000000"))
    assert worse.difference == pytest.approx(-0.6)
    assert worse.p_value == pytest.approx(stats.mcnemar(6, 0)) and worse.high < 0


def test_p_values_are_corrected_for_their_number():
    side = Side("a", 1.0, 0.0, 1.0)
    pairs = [paired(hits("1" * 10), hits("1" * (10 - n) + "0" * n)) for n in (7, 3)]
    made = [Comparison(side, side, "prune", each, 0, (), ()) for each in pairs]
    found = [each.paired.p_value for each in corrected(made)]
    assert found == pytest.approx(stats.holm([each.p_value for each in pairs]))
    assert found[0] == pytest.approx(2 * pairs[0].p_value)


def test_classes_are_told_with_their_own_counts():
    classes = np.array([0, 0, 0, 2, 2, 2, 2])
    before, after = hits("1101111"), hits("0110111")
    first, third = class_changes(classes, before, after)
    assert (first.number, first.images, first.before) == (0, 3, 2)
    assert (first.lost, first.gained, first.change) == (1, 1, 0)
    assert (third.number, third.lost, third.gained) == (2, 1, 0)
    assert third.change == pytest.approx(-0.25)


def test_a_class_that_falls_apart_is_more_than_chance():
    classes = np.repeat([0, 1], 40)
    before = np.ones(80, bool)
    after = before.copy()
    after[:20] = False
    broken, whole = class_changes(classes, before, after)
    assert broken.p_value < 0.001 and whole.p_value == 1


def test_flips_are_the_newly_wrong_first_with_room_for_the_newly_right():
    classes = np.zeros(12, np.int64)
    before = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 0, 0, 0])
    after = np.array([1, 1, 1, 1, 1, 0, 0, 0, 3, 0, 0, 0])
    sure = np.linspace(0.1, 0.9, 12)
    shown = chosen_flips(classes, before, after, sure, 6)
    assert shown.tolist() == [4, 3, 2, 1, 7, 6]
    assert chosen_flips(classes, before, after, sure, 99).tolist() == [4, 3, 2, 1, 0, 7, 6, 5, 8]
    assert chosen_flips(classes, before, before, sure, 6).tolist() == []


def test_the_excess_is_the_difference_of_two_losses():
    clean = np.ones(50, bool)
    sturdy = Right(clean, np.ones((4, 50), bool))
    half = np.ones((4, 50), bool)
    half[:2] = False
    found = excess(sturdy, Right(clean, half))
    assert found.value == found.low == found.high == 0.5
    # A model that is as weak as its source loses no more, however weak that is.
    assert excess(Right(clean, half), Right(clean, half)).value == 0
    # What is lost without any change is no loss of robustness.
    weaker = hits("0" * 10 + "1" * 40)
    same = excess(sturdy, Right(weaker, np.tile(weaker, (4, 1))))
    assert same.value == 0


def test_the_interval_of_the_excess_is_over_images_not_over_changes():
    clean, few = np.ones(20, bool), np.ones((30, 20), bool)
    few[:, :2] = False
    found = excess(Right(clean, np.ones((30, 20), bool)), Right(clean, few))
    assert found.value == pytest.approx(0.1)
    assert found.low < 0 < found.high
    assert excess(Right(clean, few[:0]), Right(clean, few[:0])) is None


def test_accuracies_are_by_corruption_in_the_order_of_severities():
    right = np.array([[1, 1], [1, 0], [0, 0], [1, 1]], bool)
    names = [("jpeg", 1), ("jpeg", 5), ("contrast", 1), ("contrast", 5)]
    assert accuracies(right, names) == {"jpeg": (1.0, 0.5), "contrast": (0.0, 1.0)}
