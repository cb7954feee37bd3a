"""Schedules at their edges, and against torch's own where the two mean the same."""

from __future__ import annotations

import warnings
from typing import get_args

import pytest
import torch

from edgecls.train import schedule
from edgecls.train.options import FitOptions, Schedule

SCHEDULES = get_args(Schedule)


def factors(steps: int = 40, curves=(), **options) -> list[float]:
    chosen = FitOptions(**options)
    return [schedule.factor(chosen, step, steps, curves) for step in range(steps)]


def of_torch(make, steps: int, **options) -> list[float]:
    """The rates that a scheduler of torch gives at each step, from a peak of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer, **options)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a scheduler that is stepped without its optimizer
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_warm_up_is_a_line_from_the_start_to_the_peak(name):
    found = factors(40, schedule=name, warmup=0.25, start_lr=0.2)
    assert found[:10] == pytest.approx([0.2 + 0.8 * (i + 1) / 10 for i in range(10)])


@pytest.mark.parametrize("warmup", [0.01, 0.15, 0.33, 0.5, 0.97])
@pytest.mark.parametrize("steps", [1, 2, 7, 40])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_rises_to_its_peak_and_never_rises_again(name, steps, warmup):
    falls = {"milestones": [0.98]} if name == "step" else {}
    found = factors(steps, schedule=name, warmup=warmup, **falls)
    top = found.index(max(found))
    assert found[top] == pytest.approx(1.0)
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert all(0 < value <= 1 for value in found)


@pytest.mark.parametrize("name", SCHEDULES)
def test_without_warm_up_it_begins_at_the_peak(name):
    assert factors(5, schedule=name, warmup=0)[0] == 1.0


@pytest.mark.parametrize("name", ["cosine", "one-cycle"])
@pytest.mark.parametrize("final", [0.0, 0.07])
def test_what_falls_ends_near_its_final_rate_and_not_below(name, final):
    found = factors(1000, schedule=name, warmup=0.1, final_lr=final)
    assert final <= found[-1] < final + 0.002


def test_the_cosine_is_torchs():
    expected = of_torch(torch.optim.lr_scheduler.CosineAnnealingLR, 30, T_max=30, eta_min=0.05)
    found = factors(30, schedule="cosine", warmup=0, final_lr=0.05)
    assert found == pytest.approx(expected)


def test_the_cosine_spans_what_the_warm_up_leaves():
    found = factors(40, schedule="cosine", warmup=0.25)
    assert found[10:] == pytest.approx(factors(30, schedule="cosine", warmup=0))


def test_the_falling_line_of_one_cycle_is_torchs():
    """OneCycleLR(linear) of 12 steps up and 28 down, whose last step is one after our last."""
    make = torch.optim.lr_scheduler.OneCycleLR
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = of_torch(
            make,
            41,
            max_lr=1.0,
            total_steps=41,
            pct_start=13 / 41,
            anneal_strategy="linear",
            div_factor=10,
            final_div_factor=2,
            cycle_momentum=False,
        )
    found = factors(40, schedule="one-cycle", warmup=0.3, start_lr=0.1, final_lr=0.05)
    assert found[12:] == pytest.approx(expected[12:40])
    assert found[:12] == pytest.approx(expected[1:13])


def test_the_steps_are_torchs():
    expected = of_torch(torch.optim.lr_scheduler.MultiStepLR, 40, milestones=[12, 30], gamma=0.3)
    found = factors(40, schedule="step", warmup=0, milestones=[0.3, 0.75], gamma=0.3)
    assert found == pytest.approx(expected)


def test_a_milestone_in_the_warm_up_counts_after_it():
    found = factors(40, schedule="step", warmup=0.5, milestones=[0.1], gamma=0.5)
    assert found[19] == 1.0 and found[20] == 0.5


def test_constant_stays():
    assert set(factors(20, schedule="constant", warmup=0, final_lr=0.3)) == {1.0}


LOSSES = [3.0, 2.0, 2.0, 2.5, 2.1, 1.9, 1.95, 1.91, 1.9, 1.0, 0.9, 1, 1, 1, 1, 1, 1, 1, 0.8]


@pytest.mark.parametrize("patience", [1, 2, 3, 5])
def test_plateau_falls_where_torchs_does(patience):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience - 1, threshold=0
    )
    curves: list[dict[str, float]] = []
    options = FitOptions(schedule="plateau", plateau=patience, gamma=0.5, warmup=0)
    for epoch, loss in enumerate(LOSSES):
        found = schedule.factor(options, epoch, len(LOSSES), curves)
        assert found == pytest.approx(optimizer.param_groups[0]["lr"])
        curves.append({"val_loss": loss})
        theirs.step(loss)
    assert schedule.falls(curves, patience) > 0


def test_plateau_never_falls_below_the_final_rate():
    curves = [{"val_loss": 1.0}] * 50
    found = factors(10, curves, schedule="plateau", plateau=1, warmup=0, final_lr=0.02)
    assert set(found) == {0.02}


def test_the_peak_scales_with_the_batch():
    assert FitOptions(batch_size=512, lr=0.1).peak_lr == pytest.approx(0.2)
    assert FitOptions(batch_size=256).peak_lr == pytest.approx(0.2)
    for name, rate in {"adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3, "lion": 1e-4}.items():
        assert FitOptions(batch_size=128, optimizer=name).peak_lr == pytest.approx(rate / 2)
