from __future__ import annotations

import hashlib
import random

import pytest

from edgecls.data.copies import Item
from edgecls.data.splits import SplitFractions, draw
from edgecls.errors import DataError, UsageError

NAMES = ("train", "validation", "test")


def _item(label, number, split=None, path=None):
    identity = hashlib.sha256(f"{label} {number}".encode()).hexdigest()
    return Item(path or f"{split or ''}/{label}/{number}.png", label, identity, split)


def _items(counts, split=None, start=0):
    return [
        _item(label, n, split)
        for label, count in counts.items()
        for n in range(start, start + count)
    ]


def _draw(items, seed=0, fractions=None, **options):
    labels = sorted({item.label for item in items})
    return draw(items, labels, fractions or SplitFractions(), seed, **options)


def _identities(drawing, split, label=None):
    return {i.identity for i in drawing.splits[split] if label in (None, i.label)}


@pytest.mark.parametrize("seed", range(8))
def test_every_image_is_in_one_split_and_calibration_is_in_train(seed):
    dice = random.Random(seed)
    items = _items({f"c{n}": dice.randint(3, 60) for n in range(dice.randint(2, 12))})
    drawing = _draw(items, seed)
    parts = [_identities(drawing, name) for name in NAMES]
    assert sum(map(len, parts)) == len(items) == len(set.union(*parts))
    assert _identities(drawing, "calibration") <= parts[0]


@pytest.mark.parametrize("count", [3, 4, 5, 7, 10, 33, 100, 1001])
def test_every_class_has_its_share_in_every_split(count):
    fractions = SplitFractions(0.5, 0.2, 0.3)
    drawing = _draw(_items({"a": count, "b": 200}), fractions=fractions)
    for name in NAMES:
        found = len(_identities(drawing, name, "a"))
        assert found >= 1
        assert abs(found - count * fractions[name]) <= 1


def test_lopsided_fractions_leave_an_image_to_every_split():
    drawing = _draw(_items({"a": 3, "b": 4}), fractions=SplitFractions(0.05, 0.05, 0.9))
    assert [len(_identities(drawing, name, "a")) for name in NAMES] == [1, 1, 1]
    assert [len(_identities(drawing, name, "b")) for name in NAMES] == [1, 1, 2]


def test_the_seed_decides_and_the_order_and_names_of_files_do_not():
    items = _items({"a": 40, "b": 40})
    renamed = [Item(f"x{n}", i.label, i.identity) for n, i in enumerate(reversed(items))]
    first, again, other = _draw(items, 1), _draw(renamed, 1), _draw(items, 2)
    for name in (*NAMES, "calibration"):
        order = [item.identity for item in first.splits[name]]
        assert order == [item.identity for item in again.splits[name]]
        assert order != [item.identity for item in other.splits[name]]


def test_one_more_image_moves_no_other_class_and_at_most_one_image_over_each_cut():
    items = _items({"a": 53, "b": 47})
    before = _draw(items)
    for number in range(100, 120):
        after = _draw([*items, _item("a", number)])
        for name in NAMES:
            assert _identities(before, name, "b") == _identities(after, name, "b")
        moved = sum(
            len(_identities(before, name, "a") - _identities(after, name, "a")) for name in NAMES
        )
        assert moved <= 2


def test_any_first_part_of_a_split_has_every_class():
    drawing = _draw(_items({f"c{n}": 100 for n in range(5)}), calibration=50)
    assert {item.label for item in drawing.splits["train"][:50]} == {f"c{n}" for n in range(5)}
    for start in range(0, 50, 5):
        turn = {item.label for item in drawing.splits["calibration"][start : start + 5]}
        assert len(turn) == 5


def test_calibration_is_balanced_and_never_more_than_train():
    drawing = _draw(_items({"a": 400, "b": 10}), calibration=20)
    labels = [item.label for item in drawing.splits["calibration"]]
    assert len(labels) == 20
    assert labels.count("b") == len(_identities(drawing, "train", "b"))
    everything = _draw(_items({"a": 4, "b": 4}), calibration=300)
    assert _identities(everything, "calibration") == _identities(everything, "train")
    with pytest.raises(UsageError, match="calibration"):
        _draw(_items({"a": 4, "b": 4}), calibration=0)


def test_fewer_calibration_images_than_classes_are_of_different_classes():
    drawing = _draw(_items({f"c{n}": 5 for n in range(50)}), calibration=30)
    assert len({item.label for item in drawing.splits["calibration"]}) == 30


def test_given_splits_are_kept():
    items = [
        *_items({"a": 20, "b": 20}, "train"),
        *_items({"a": 5, "b": 5}, "validation", 100),
        *_items({"a": 6, "b": 6}, "test", 200),
    ]
    drawing = _draw(items)
    for name in NAMES:
        assert {item.path for item in drawing.splits[name]} == {
            item.path for item in items if item.split == name
        }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("train",), (65, 15, 20)),
        (("train", "test"), (85, 15, 7)),
        (("train", "validation"), (80, 7, 20)),
    ],
)
def test_missing_splits_are_drawn_from_train_by_their_share(given, expected):
    items = _items({"a": 100, "b": 100}, "train")
    for split in given[1:]:
        items += _items({"a": 7, "b": 7}, split, 1000 * NAMES.index(split))
    drawing = _draw(items)
    assert tuple(len(_identities(drawing, name, "a")) for name in NAMES) == expected


def test_copies_of_an_image_are_kept_once():
    items = [
        *_items({"a": 10, "b": 10}),
        _item("a", 3, path="a/zz.png"),
        _item("a", 3, path="a/z.png"),
    ]
    drawing = _draw(items)
    assert [(d.file, d.same_as) for d in drawing.duplicates] == [
        ("a/z.png", "/a/3.png"),
        ("a/zz.png", "/a/3.png"),
    ]
    assert sum(len(drawing.splits[name]) for name in NAMES) == 20
    assert drawing.notes == ("2 files left out as duplicates",)


def test_copies_with_different_labels_are_both_left_out():
    items = _items({"a": 10, "b": 10})
    clash = Item("b/clash.png", "b", items[0].identity)
    drawing = _draw([*items, clash])
    assert {skipped.file for skipped in drawing.skipped} == {"/a/0.png", "b/clash.png"}
    assert all("contradiction" in skipped.reason for skipped in drawing.skipped)
    assert not any(items[0].identity in _identities(drawing, name) for name in NAMES)
    assert drawing.notes


def test_a_class_that_contradictions_emptied_is_told_so():
    items = _items({"a": 10, "b": 10})
    clashes = [Item(f"c/{n}.png", "c", item.identity) for n, item in enumerate(items[:10])]
    with pytest.raises(DataError, match="too few different images") as caught:
        _draw([*items, *clashes])
    assert "20 images were left out because the same pixels" in caught.value.fix


def _leaky():
    return [
        *_items({"a": 10, "b": 10}, "train"),
        *_items({"a": 5, "b": 5}, "validation", 100),
        *_items({"a": 5, "b": 5}, "test", 200),
        _item("a", 200, "train", "train/a/copy_of_test.png"),
        _item("a", 100, "train", "train/a/copy_of_val.png"),
        _item("b", 200, "validation", "val/b/copy_of_test.png"),
    ]


def test_the_same_image_in_two_given_splits_is_an_error_with_examples():
    with pytest.raises(DataError) as caught:
        _draw(_leaky())
    assert "3 images" in caught.value.cause
    assert "train/a/copy_of_test.png = test/a/200.png" in caught.value.cause
    assert "remove the copies from train and validation" in caught.value.fix
    assert 'leaks = "drop"' in caught.value.fix


def test_leaks_can_be_dropped_from_the_side_that_is_not_judged():
    drawing = _draw(_leaky(), leaks="drop")
    assert [len(drawing.splits[name]) for name in NAMES] == [20, 10, 10]
    assert {duplicate.file for duplicate in drawing.duplicates} == {
        "train/a/copy_of_test.png",
        "train/a/copy_of_val.png",
        "val/b/copy_of_test.png",
    }
    assert len(drawing.notes) == 3
    assert "1 files dropped from train: test has the same pixels" in drawing.notes


def test_an_unknown_way_to_treat_leaks_is_refused():
    with pytest.raises(UsageError, match="did you mean 'drop'"):
        _draw(_items({"a": 5, "b": 5}), leaks="drp")


@pytest.mark.parametrize(
    ("items", "cause"),
    [
        (_items({"a": 2, "b": 9}), "'a (2)'; at least 3, one each for train, validation and test"),
        (_items({"a": 9, "b": 1, "c": 2}), "'b (1)', 'c (2)'"),
        (
            [*_items({"a": 1, "b": 9}, "train"), *_items({"a": 3, "b": 3}, "test", 50)],
            "in train: 'a (1)'; at least 2, one each for train, validation",
        ),
    ],
)
def test_a_class_too_small_to_be_in_every_split_is_an_error(items, cause):
    with pytest.raises(DataError) as caught:
        _draw(items)
    assert cause in caught.value.cause
    assert "add images" in caught.value.fix


def test_a_class_that_lost_its_last_given_image_to_a_leak_is_an_error():
    items = [
        *_items({"a": 9, "b": 9}, "train"),
        *_items({"a": 1, "b": 3}, "validation", 50),
        *_items({"a": 1, "b": 2}, "test", 50),
    ]
    with pytest.raises(DataError, match=r"in validation: 'a \(0\)'; at least 1 are"):
        _draw(items, leaks="drop")


def test_a_validation_that_repeats_test_is_dropped_and_drawn_again():
    items = [
        *_items({"a": 20, "b": 20}, "train"),
        *_items({"a": 5, "b": 5}, "validation", 50),
        *_items({"a": 5, "b": 5}, "test", 50),
    ]
    drawing = _draw(items, leaks="drop")
    assert {item.split for item in drawing.splits["validation"]} == {"train"}
    assert drawing.notes == (
        "10 files dropped from validation: test has the same pixels",
        "validation is drawn from train",
    )


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1)])
def test_fractions_must_be_positive_and_sum_to_one(shares):
    with pytest.raises(UsageError, match="sum 1"):
        SplitFractions(*shares)
