"""Comparisons come back from JSON as they were told, and nothing else does."""

from __future__ import annotations

import json

import pytest

from edgecls.compared import (
    Attacked,
    ClassChange,
    Compared,
    Comparison,
    Excess,
    Flip,
    Hardness,
    Paired,
    Side,
)
from edgecls.errors import EdgeclsError


def made() -> Compared:
    hardness = Hardness(
        10, 0.9, (1, 5), {"jpeg": (0.8, 0.6)}, (Attacked("pgd-8", 8, 7, 5, 1.0, 0.2, "student"),)
    )
    model, source = Side("int8", 0.9, 0.02, 1.5, hardness), Side("fp32", 1, 0, 1.0)
    pair = Comparison(
        model=model,
        source=source,
        step="int8",
        paired=Paired(8, 1, 0, 1, -0.1, -0.3, 0.1, 1.0),
        flipped=2,
        classes=(ClassChange(3, 5, 4, 1, 0, 1.0),),
        flips=(Flip("3/a.png", 3, 3, 8, 0.9, 0.7, "ab" * 32),),
        corrupted=Excess(0.03, 0.01, 0.05),
    )
    return Compared((pair,), 0.01, 0.02, "CIFAR-10-C", ("a note",))


def test_it_comes_back_as_it_was():
    assert Compared.from_json(made().to_json()) == made()
    assert Compared.from_json(made().to_json().encode()) == made()


def test_whole_numbers_are_shares_too():
    assert made().comparisons[0].source.top1 == 1.0


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("max_drop"),
        lambda data: data.update(more=1),
        lambda data: data["comparisons"][0].update(flipped="two"),
        lambda data: data["comparisons"][0]["paired"].update(lost=True),
        lambda data: data["comparisons"][0].update(classes=None),
        lambda data: data["comparisons"][0]["model"].update(hardness=3),
    ],
)
def test_anything_else_is_refused(change):
    data = json.loads(made().to_json())
    change(data)
    with pytest.raises(EdgeclsError, match="no comparisons"):
        Compared.from_json(json.dumps(data))


def test_text_that_is_no_json_is_refused():
    with pytest.raises(EdgeclsError):
        Compared.from_json("{")


def test_a_flip_says_what_became_of_it():
    flips = [Flip("a", 1, *answers, 0.5, 0.5, "") for answers in ((1, 2), (2, 1), (2, 3))]
    assert [flip.kind for flip in flips] == ["lost", "gained", "other"]


def test_the_mean_is_over_corruptions_and_severities():
    found = made().comparisons[0].model.hardness
    assert found is not None and found.mean_corrupted == pytest.approx(0.7)
    assert Hardness(10, 0.9, (), {}).mean_corrupted is None
