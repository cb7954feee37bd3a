"""The images that a device is asked about."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from edgecls.bench.images import balanced, unknown
from edgecls.errors import DataError

DIGITS = tuple("0123456789")


def test_every_class_has_as_many_and_the_choice_is_always_the_same(digit_images: Path) -> None:
    drawn = balanced(digit_images, DIGITS, 25)
    counts = Counter(image.label for image in drawn)
    assert sum(counts.values()) == 25 and set(counts.values()) == {2, 3}
    assert drawn == balanced(digit_images, DIGITS, 25)
    assert all(image.path.parent.name == image.label for image in drawn)
    assert len({image.path for image in drawn}) == 25


def test_more_than_there_are_is_all_of_them(digit_images: Path) -> None:
    assert len(balanced(digit_images, DIGITS, 10_000)) == 120


def test_a_smaller_choice_is_the_beginning_of_a_larger_one(digit_images: Path) -> None:
    assert balanced(digit_images, DIGITS, 40)[:25] == balanced(digit_images, DIGITS, 25)


def test_classes_that_the_model_does_not_know_are_left_out(digit_images: Path) -> None:
    drawn = balanced(digit_images, ("3", "7", "cat"), 10_000)
    assert {image.label for image in drawn} == {"3", "7"}
    assert unknown(digit_images, ("3", "7", "cat")) == [*"01245689"]
    assert unknown(digit_images, DIGITS) == []
    with pytest.raises(DataError, match="no class that the model knows"):
        balanced(digit_images, ("cat", "dog"), 10)
