"""Zeros among the weights: which, how many, and that they stay."""

from __future__ import annotations

import pytest
import torch

from edgecls.errors import UsageError
from edgecls.models import zoo
from edgecls.train import sparsity
from edgecls.train.sparsity import Held, Pattern


@pytest.fixture
def net():
    torch.manual_seed(0)
    return zoo.build("resnet8", 10, 1, (32, 32))


def test_the_first_and_the_last_layer_stay_dense(net):
    names = set(sparsity.layers(net, Pattern()))
    assert "body.0.conv1" in names and not names & {"stem.0", "head"}


def test_of_every_four_input_channels_the_two_largest_stay(net):
    pattern = Pattern.parse("2:4")
    chosen = sparsity.layers(net, pattern)
    for name, mask in sparsity.masks(chosen, pattern, 0.9).items():
        fours = mask.movedim(1, -1).reshape(-1, 4)
        assert torch.equal(fours.sum(1), torch.full((len(fours),), 2))
        sizes = chosen[name].detach().abs().movedim(1, -1).reshape(-1, 4)
        kept, gone = sizes[fours].view(-1, 2), sizes[~fours].view(-1, 2)
        assert (kept.min(1).values >= gone.max(1).values).all()


def test_layers_whose_channels_come_in_no_fours_stay_dense():
    net = zoo.build("lenet5", 10, 1, (32, 32))
    assert "features.4" in sparsity.layers(net, Pattern())
    assert "features.4" not in sparsity.layers(net, Pattern.parse("2:4"))


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_share_is_exact_and_the_least_go(net, scope):
    pattern = Pattern(scope=scope)
    weights = sparsity.layers(net, pattern)
    chosen = sparsity.masks(weights, pattern, 0.7)
    gone = sum(int((~mask).sum()) for mask in chosen.values())
    total = sum(mask.numel() for mask in chosen.values())
    assert abs(gone - 0.7 * total) <= len(chosen)
    for name, mask in chosen.items():
        size = weights[name].detach().abs()
        assert size[mask].min() >= size[~mask].max()


def test_the_ramp_is_steep_first_and_ends_at_the_share():
    shares = [sparsity.ramp(0.8, epoch, 4) for epoch in (1, 2, 3, 4)]
    steps = [b - a for a, b in zip([0.0, *shares], shares, strict=False)]
    assert shares[-1] == 0.8 and steps == sorted(steps, reverse=True)


def test_zeros_stay_after_a_step_and_are_the_same_after_a_restart(net):
    pattern = Pattern()
    hook = Held(pattern, lambda epoch, of: 0.5)
    hook.begin_epoch(net, 1, 2)
    before = {n: w == 0 for n, w in sparsity.layers(net, pattern).items()}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.randn(4, 1, 32, 32)).sum().backward()
    optimizer.step()
    hook.after_step(net)
    Held(pattern, lambda epoch, of: 0.5).begin_epoch(net, 2, 2)
    for name, weight in sparsity.layers(net, pattern).items():
        assert torch.equal(weight == 0, before[name])


def test_a_net_of_two_layers_is_refused():
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    with pytest.raises(UsageError, match="no layer between its first and its last"):
        sparsity.layers(net, Pattern())
