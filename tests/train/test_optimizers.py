"""Optimizers: which parameters decay, learn slower, later or never."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from edgecls.models import zoo
from edgecls.train import optimizers
from edgecls.train.options import FitOptions, Optimizer
from edgecls.train.parts import Part

NAMES = get_args(Optimizer)


def net() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    generator = torch.Generator().manual_seed(1)
    optimizer.zero_grad(set_to_none=True)
    model(torch.randn(8, 3, generator=generator)).square().sum().backward()
    optimizer.step()


def moved(model: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}


def copied(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_biases_and_norms_do_not_decay():
    model = zoo.build("resnet8", 10, 1, (32, 32))
    decayed, plain = optimizers._groups(model, FitOptions(weight_decay=0.1), ())
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in plain["params"]} == {1}
    assert len(decayed["params"]) + len(plain["params"]) == len(list(model.parameters()))


def test_biases_and_norms_have_a_rate_of_their_own():
    optimizer = optimizers.build(net(), FitOptions(bias_lr=64), ())
    optimizers.set_rates(optimizer, 0.5, epoch=1)
    rates = {p.ndim: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates == {2: 0.5, 1: 32.0}


def test_parts_scale_the_rate_and_keep_the_rest():
    model = net()
    parts = [Part(("0.weight", "0.bias"), lr_scale=0.1)]
    optimizer = optimizers.build(model, FitOptions(bias_lr=2), parts)
    optimizers.set_rates(optimizer, 1.0, epoch=1)
    rate = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: rate[p] for name, p in model.named_parameters()} == pytest.approx(
        {"0.weight": 0.1, "0.bias": 0.2, "1.weight": 2, "1.bias": 2, "2.weight": 1, "2.bias": 2}
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_part_learns_from_its_epoch_on(name):
    """Not moved before, by weight decay or momentum either."""
    model = net()
    late = ("0.weight", "0.bias")
    optimizer = optimizers.build(
        model, FitOptions(optimizer=name, weight_decay=0.1), [Part(late, from_epoch=3)]
    )
    before = copied(model)
    for epoch in (1, 2):
        optimizers.set_rates(optimizer, 0.01, epoch)
        step(model, optimizer)
        assert moved(model, before) == set(before) - set(late)
    optimizers.set_rates(optimizer, 0.01, 3)
    step(model, optimizer)
    assert moved(model, before) == set(before)


@pytest.mark.parametrize("name", NAMES)
def test_what_never_learns_stays(name):
    """By a part of epoch 0, and what the net itself has frozen."""
    model = net()
    model[1].weight.requires_grad_(False)
    optimizer = optimizers.build(
        model, FitOptions(optimizer=name, weight_decay=0.1), [Part(("2.weight",), from_epoch=0)]
    )
    before = copied(model)
    for epoch in (1, 2, 50):
        optimizers.set_rates(optimizer, 0.01, epoch)
        step(model, optimizer)
    assert moved(model, before) == set(before) - {"1.weight", "2.weight"}


def test_a_frozen_parameter_is_in_no_group_even_where_a_part_names_it():
    model = net()
    model[0].weight.requires_grad_(False)
    optimizer = optimizers.build(model, FitOptions(), [Part(("0.weight",), from_epoch=2)])
    optimizers.set_rates(optimizer, 0.1, 5)
    assert not model[0].weight.requires_grad


OF_TORCH = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.8, nesterov=True),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.01),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.01),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.01, momentum=0.8),
}


@pytest.mark.parametrize("name", OF_TORCH)
def test_the_steps_are_those_of_torchs_plain_optimizers(name):
    ours, theirs = net(), net()
    momentum = {"momentum": 0.8} if name in ("sgd", "rmsprop") else {}
    options = FitOptions(optimizer=name, weight_decay=0.1, **momentum)
    optimizer = optimizers.build(ours, options, ())
    reference = OF_TORCH[name](
        [
            {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
    )
    for _ in range(4):
        optimizers.set_rates(optimizer, 0.01, 1)
        step(ours, optimizer)
        step(theirs, reference)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("momentum", "nesterov", "expected"), [(0.9, True, True), (0.9, False, False), (0, True, False)]
)
def test_sgd_looks_ahead_where_it_has_momentum(momentum, nesterov, expected):
    """torch refuses Nesterov without momentum."""
    optimizer = optimizers.build(net(), FitOptions(momentum=momentum, nesterov=nesterov), ())
    assert optimizer.defaults["nesterov"] is expected
    assert optimizer.defaults["momentum"] == momentum
