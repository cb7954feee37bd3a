"""The options of a training: bounds, and defaults that are those of the recipe."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from edgecls.methods import distill, prune
from edgecls.train.options import FitOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 7},
        {"batch_size": 0},
        {"epochs": 0},
        {"accumulate": 0},
        {"lr": 0},
        {"lr": -1},
        {"crop": 0.6},
        {"flip": "vertical"},
        {"policy": "autoaugment"},
        {"erasing": 1.5},
        {"scale": 1},
        {"ema_decay": 1},
        {"gamma": 1},
        {"warmup": 1},
        {"milestones": [50, 75]},
        {"milestones": [-0.1]},
        {"momentum": 1},
        {"precision": "int8"},
        {"keep": "first"},
        {"learning_rate": 0.1},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        FitOptions(**wrong)


def test_a_student_learns_at_a_higher_rate():
    for method in (distill.DistillOptions, prune.PruneOptions):
        assert method.sgd_lr == 0.4
    assert distill.DistillOptions(teacher="t", batch_size=256).peak_lr == pytest.approx(0.4)
    assert distill.DistillOptions(teacher="t", batch_size=256, optimizer="adam").peak_lr == 1e-3
    assert distill.DistillOptions(teacher="t", batch_size=256, lr=0.1).peak_lr == 0.1
