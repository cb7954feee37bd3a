"""An option that would do nothing is refused, with what it needs."""

from __future__ import annotations

import pytest

from edgecls.errors import UsageError
from edgecls.recipe import validated
from edgecls.train.options import NEEDS, FitOptions


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"momentum": 0.5, "optimizer": "adam"}, "momentum has no effect"),
        ({"nesterov": False, "optimizer": "adamw"}, "nesterov has no effect"),
        ({"milestones": [0.3]}, "milestones has no effect"),
        ({"gamma": 0.5}, "gamma has no effect"),
        ({"plateau": 3}, "plateau has no effect"),
        ({"ema_decay": 0.9, "averaging": "lookahead"}, "ema_decay has no effect"),
        ({"schedule": "step", "milestones": [0.7, 0.2]}, "milestones should rise"),
        ({"class_weights": "balanced", "sampling": "balanced"}, "twice"),
    ],
)
def test_it_is_refused(given, told):
    with pytest.raises(UsageError) as caught:
        validated(FitOptions, given, "models.x")
    assert told in caught.value.cause + caught.value.fix


@pytest.mark.parametrize(
    "given",
    [
        {"momentum": 0.5, "optimizer": "rmsprop"},
        {"nesterov": False},
        {"milestones": [0.3, 0.6], "gamma": 0.5, "schedule": "step"},
        {"plateau": 3, "gamma": 0.5, "schedule": "plateau"},
        {"ema_decay": 0.9, "averaging": "ema"},
    ],
)
def test_where_it_has_one_it_is_taken(given):
    assert validated(FitOptions, given, "models.x")


def test_every_option_at_its_default_is_taken_with_any_other():
    for _, (other, _) in NEEDS.items():
        whole = FitOptions().model_dump()
        kinds = {"optimizer": "lion", "schedule": "constant", "averaging": "none"}
        assert validated(FitOptions, {**whole, other: kinds[other]}, "models.x")
