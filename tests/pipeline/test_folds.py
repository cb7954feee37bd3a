"""Folds and learning curves are drawn so that nobody is judged on what it has seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgecls.core import Dataset
from edgecls.device.preprocess import Preprocess
from edgecls.device.stats import wilson
from edgecls.errors import UsageError
from edgecls.evaluation import Trained
from edgecls.models.checkpoint import marks
from edgecls.pipeline import folds, learning
from edgecls.pipeline.folds import deal, summary
from edgecls.pipeline.parts import Pool
from edgecls.pipeline.workshop import Workshop
from edgecls.recipe import parse


def made(counts: dict[str, int], num_classes: int = 3, copies: int = 0) -> Pool:
    """A pool of noise. copies: the last images of test are those of train's beginning."""
    rng = np.random.default_rng(0)
    splits = {}
    for split, count in counts.items():
        images = rng.integers(0, 256, (count, 2, 2, 1), np.uint8)
        splits[split] = (images, np.arange(count) % num_classes)
    if copies:
        splits["test"][0][-copies:] = splits["train"][0][:copies]
    preprocess = Preprocess((2, 2), mode="L", mean=(0.5,), std=(0.25,))
    labels = tuple("abcdefghi"[:num_classes])
    data = Dataset(labels, preprocess, splits, "")
    starts = dict(zip(counts, np.cumsum([0, *counts.values()]).tolist(), strict=False))
    return Pool(
        data,
        "key",
        np.concatenate([classes for _, classes in splits.values()]),
        np.concatenate([marks(images) for images, _ in splits.values()]),
        starts,
    )


@pytest.fixture
def pool() -> Pool:
    return made({"train": 60, "validation": 15, "test": 27})


def all_rows(pool: Pool) -> np.ndarray:
    return np.arange(len(pool.classes))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_image_is_judged_once_by_a_net_that_did_not_see_it(pool, count):
    parts = folds.parts(pool, all_rows(pool), count, 0.2, seed=0)
    assert len(parts) == count
    judged = np.concatenate([part.test for part in parts])
    assert sorted(judged.tolist()) == list(range(102))
    for part in parts:
        rows = np.concatenate([part.train, part.validation, part.test])
        assert sorted(rows.tolist()) == list(range(102))
        assert min(len(part.train), len(part.validation), len(part.test)) > 0


def test_folds_are_stratified_and_of_one_size(pool):
    parts = folds.parts(pool, all_rows(pool), 4, 0.2, seed=0)
    assert {len(part.test) for part in parts} <= {25, 26}
    for part in parts:
        for rows in (part.train, part.validation, part.test):
            counts = np.bincount(pool.classes[rows], minlength=3)
            assert counts.max() - counts.min() <= 2


def test_validation_is_its_share_of_the_rest(pool):
    for share, expected in ((0.1, 51 / 10), (0.25, 51 / 4), (0.5, 51 / 2)):
        part = folds.parts(pool, all_rows(pool), 2, share, seed=0)[0]
        assert abs(len(part.validation) - expected) <= 1


def test_copies_are_never_on_both_sides():
    pool = made({"train": 60, "validation": 15, "test": 27}, copies=20)
    assert len(np.unique(pool.marks)) == 82
    for part in folds.parts(pool, all_rows(pool), 5, 0.2, seed=0):
        sides = [set(pool.marks[rows]) for rows in (part.train, part.validation, part.test)]
        assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]


def test_the_seed_and_the_content_decide_and_not_the_order():
    rng = np.random.default_rng(3)
    classes, marked = rng.integers(0, 3, 90), rng.permutation(90).astype(np.uint64)
    first = deal(classes, marked, 5, 0)
    order = rng.permutation(90)
    assert (deal(classes[order], marked[order], 5, 0) == first[order]).all()
    assert (deal(classes, marked, 5, 1) != first).any()


def test_a_class_with_fewer_images_than_folds_is_named(pool):
    with pytest.raises(UsageError, match=r"class 'a' has 34 different images, too few for 35"):
        folds.parts(pool, all_rows(pool), 35, 0.2, seed=0)
    with pytest.raises(UsageError, match="1 folds are none"):
        folds.parts(pool, all_rows(pool), 1, 0.2, seed=0)


def fold(top1: float, num_images: int = 10_000) -> Trained:
    return Trained("fold", 80, 10, num_images, top1, 0.0, 1.0, 0.0, 1.0)


def test_the_interval_of_the_mean_is_that_of_nadeau_and_bengio():
    found = summary([fold(0.9), fold(0.92), fold(0.94)])
    assert found.mean == pytest.approx(0.92) and found.std == pytest.approx(0.02)
    half = 4.302653 * 0.02 * (1 / 3 + 1 / 2) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.92 - half, min(1, 0.92 + half)))
    wide = summary([fold(0.0), fold(1.0)])
    assert (wide.low, wide.high) == (0.0, 1.0)


def test_folds_that_agree_by_chance_promise_no_more_than_their_images_admit():
    found = summary([fold(0.5, 10)] * 4)
    assert found.std == 0.0
    assert (found.low, found.high) == wilson(20, 40)


@pytest.fixture
def workshop():
    return Workshop(None, parse({}), None)


def test_sizes_are_nested_and_stratified_and_judged_on_the_same(pool, workshop):
    parts = learning.parts(pool, (1.0, 0.25, 0.5, 0.25), workshop)
    assert [len(part.train) for part in parts] == [15, 30, 60]
    for less, more in pairwise(parts):
        assert set(less.train) < set(more.train)
    for part in parts:
        counts = np.bincount(pool.classes[part.train], minlength=3)
        assert counts.max() == counts.min()
        assert part.validation.tolist() == list(range(60, 75))
        assert part.test.tolist() == list(range(75, 102))
    assert set(parts[-1].train) == set(range(60))
    assert [part.name for part in parts] == [
        "25 % of the images",
        "50 % of the images",
        "100 % of the images",
    ]


def test_every_class_keeps_an_image_at_the_smallest_size(pool, workshop):
    smallest = learning.parts(pool, (0.001, 1.0), workshop)[0]
    assert sorted(pool.classes[smallest.train].tolist()) == [0, 1, 2]


@pytest.mark.parametrize("shares", [(), (0.5,), (0.5, 0.5), (0.0, 1.0), (0.5, 1.5), (-1.0, 1.0)])
def test_sizes_that_are_no_curve_are_refused(pool, workshop, shares):
    with pytest.raises(UsageError, match="no sizes of a learning curve"):
        learning.parts(pool, shares, workshop)


def test_chosen_rows_are_indexed_as_an_array_is(pool):
    rows = np.array([80, 3, 61, 3, 0, 101])
    whole = np.concatenate([np.asarray(images) for images, _ in pool.dataset.splits.values()])
    found, expected = pool.images(rows), whole[rows]
    assert found.shape == (6, 2, 2, 1) and len(found) == 6 and found.nbytes == 24
    assert (np.asarray(found) == expected).all() and found.dtype == np.uint8
    for key in (0, -1, slice(1, 4), slice(None, None, -1), np.array([2, 2, 5])):
        assert (found[key] == expected[key]).all() and found[key].shape == expected[key].shape
    assert (np.stack(list(found)) == expected).all()
