"""Averages of weights against their formulas."""

from __future__ import annotations

import pytest
import torch

from edgecls.train.averaging import Average

STEPS = 23


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))


def walk(model: torch.nn.Module, step: int) -> None:
    """A step of training: weights and statistics become other ones."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.randn(tensor.shape, generator=generator))
            else:
                tensor.add_(1)


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_none_does_nothing():
    model = net()
    average = Average(model, "none", 0.9)
    walk(model, 1)
    before = state(model)
    average.update(1, 1)
    with average.applied():
        assert same(before, state(model))
    average.settle()
    assert same(before, state(model)) and not average.tensors


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_ema_is_an_exponential_average_that_starts_quickly(decay):
    model = net()
    average = Average(model, "ema", decay)
    expected = {n: t for n, t in state(model).items() if t.is_floating_point()}
    for step in range(1, STEPS + 1):
        walk(model, step)
        average.update(step, STEPS)
        now = min(decay, (1 + step) / (10 + step))
        expected = {n: now * t + (1 - now) * model.state_dict()[n] for n, t in expected.items()}
    assert average.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.allclose(average.tensors[name], tensor, atol=1e-5)


def test_ema_validates_with_the_average_and_trains_on_with_its_own():
    model = net()
    average = Average(model, "ema", 0.9)
    walk(model, 1)
    average.update(1, 2)
    own = state(model)
    with average.applied():
        inside = state(model)
        assert all(torch.equal(inside[name], t) for name, t in average.tensors.items())
        assert not same(inside, own)
        assert inside["1.num_batches_tracked"] == own["1.num_batches_tracked"]
    assert same(own, state(model))
    average.settle()
    assert same(inside, state(model))


def test_ema_gives_the_weights_back_after_an_error():
    model = net()
    average = Average(model, "ema", 0.9)
    walk(model, 1)
    own = state(model)
    with pytest.raises(RuntimeError, match="diverged"), average.applied():
        raise RuntimeError("diverged")
    assert same(own, state(model))


def test_lookahead_pulls_the_net_back_every_five_steps_ever_more():
    model = net()
    average = Average(model, "lookahead", 0.9)
    slow = last = {n: t for n, t in state(model).items() if t.is_floating_point()}
    for step in range(1, STEPS + 1):
        walk(model, step)
        before = state(model)
        average.update(step, STEPS)
        if step == STEPS:  # the last one's weights are the average itself
            assert all(torch.equal(model.state_dict()[name], t) for name, t in last.items())
        elif step % 5:
            assert same(before, state(model))
        else:
            weight = 0.95**5 * (step / STEPS) ** 3
            slow = {n: weight * t + (1 - weight) * before[n] for n, t in slow.items()}
            last = {n: model.state_dict()[n].clone() for n in slow}
            for name, tensor in slow.items():
                assert torch.allclose(last[name], tensor, atol=1e-5)
    assert int(model.state_dict()["1.num_batches_tracked"]) == STEPS


def test_lookahead_is_validated_as_it_is():
    model = net()
    average = Average(model, "lookahead", 0.9)
    walk(model, 1)
    before = state(model)
    with average.applied():
        assert same(before, state(model))
    average.settle()
    assert same(before, state(model))
