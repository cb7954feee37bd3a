"""How many channels go: ranked, rounded, never more than a layer may lose."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from edgecls.train.pruning.choosing import rank, step_of
from edgecls.train.pruning.groups import Group


def group(name: str, width: int, kind: str = "a", repeats: int = 1) -> Group:
    return Group(name, width, width // repeats, kind, ())


def ranking(groups, scores, scope="global", isomorphic=False, multiple=1, most=0.9):
    worth = [torch.tensor(score, dtype=torch.float64) for score in scores]
    return rank(groups, worth, scope, isomorphic, [multiple] * len(groups), most)


TWO = [group("x", 4), group("y", 4, "b")]
SCORES = [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_global_takes_the_weak_layer_first_and_local_the_same_share_of_each():
    assert ranking(TWO, SCORES).choice(0.25) == (2, 0)
    assert ranking(TWO, SCORES, scope="local").choice(0.5) == (2, 2)
    assert ranking(TWO, SCORES, isomorphic=True).choice(0.5) == (2, 2)


def test_the_least_important_units_go():
    found = ranking([group("x", 4)], [[3, 1, 4, 2]])
    ((_, units),) = found.drops(found.choice(0.5))
    assert units == (1, 3)


def test_what_is_left_is_a_multiple_and_no_layer_loses_more_than_its_share():
    found = ranking([group("x", 20)], [list(range(20))], multiple=8, most=0.5)
    assert found.ranked[0].options == (0, 4)
    grouped = ranking([group("x", 32, repeats=4)], [list(range(8))], multiple=8)
    assert grouped.ranked[0].options == (0, 2, 4, 6)


def test_a_larger_share_never_gives_a_wider_layer():
    scores = [torch.rand(16).tolist(), torch.rand(32).tolist()]
    found = ranking([group("x", 16), group("y", 32)], scores, multiple=4)
    choices = [found.choice(share / 50) for share in range(51)]
    assert choices == sorted(choices, key=sum) and choices[-1] == found.most()
    assert all(a <= b for one, two in pairwise(choices) for a, b in zip(one, two, strict=True))


def test_the_most_missed_step_is_given_back_first():
    found = ranking(TWO, SCORES)
    assert found.given_back((2, 1)) == [(2, 0), (1, 1)]


@pytest.mark.parametrize(("width", "step"), [(6, 1), (12, 2), (16, 4), (24, 4), (32, 8), (512, 8)])
def test_narrow_layers_go_in_smaller_steps(width, step):
    assert step_of(width) == step
