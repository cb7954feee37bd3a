"""What channels are worth, by each of the published measures."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from edgecls.errors import UsageError
from edgecls.models import checkpoint, zoo
from edgecls.models.normalise import Normalise
from edgecls.train.fit import to_batch
from edgecls.train.pruning import groups
from edgecls.train.pruning.ranking import scores


@pytest.fixture
def net(tiny_checkpoint):
    return checkpoint.module(checkpoint.load(tiny_checkpoint))


def of(net, importance, data, name="body.0.conv1"):
    found = groups.find(net, (1, 32, 32))
    worth = scores(net, found, importance, data, 0)
    return next(w for g, w in zip(found, worth, strict=True) if g.name == name)


def test_magnitude_is_the_l1_norm_of_the_filters(net, tiny_data):
    norms = net.body[0].conv1.weight.detach().abs().sum((1, 2, 3)).double()
    torch.testing.assert_close(of(net, "magnitude", tiny_data), norms / norms.mean())


def test_group_norm_counts_all_that_hangs_on_a_channel(net, tiny_data):
    block = net.body[0]
    norms = block.conv1.weight.detach().square().sum((1, 2, 3)).double()
    norms += block.bn1.weight.detach().square()
    norms += block.conv2.weight.detach().square().sum((0, 2, 3))
    torch.testing.assert_close(of(net, "group-norm", tiny_data), norms / norms.mean())


def test_bn_scale_is_the_scale_and_needs_one(net, tiny_data):
    expected = net.body[0].bn1.weight.detach().abs().double()
    torch.testing.assert_close(of(net, "bn-scale", tiny_data), expected)
    lenet = zoo.build("lenet5", 10, 1, (32, 32))
    found = groups.find(lenet, (1, 32, 32))
    with pytest.raises(UsageError, match="needs a BatchNorm") as caught:
        scores(lenet, found, "bn-scale", tiny_data, 0)
    assert "group-norm" in caught.value.fix


def test_taylor_takes_the_loss_s_gradients_and_leaves_none(net, tiny_data):
    worth = of(net, "taylor", tiny_data)
    assert all(parameter.grad is None for parameter in net.parameters())
    images, classes = tiny_data["train"]
    normalised = Normalise(tiny_data.preprocess)(to_batch(images[:]))
    F.cross_entropy(net(normalised), torch.as_tensor(classes[:]), reduction="sum").backward()
    block = net.body[0]
    expected = (block.conv1.weight * block.conv1.weight.grad).abs().sum((1, 2, 3))
    expected = expected + (block.bn1.weight * block.bn1.weight.grad).abs()
    expected = expected + (block.conv2.weight * block.conv2.weight.grad).abs().sum((0, 2, 3))
    expected = (expected / expected.mean()).double().detach()
    torch.testing.assert_close(worth, expected, rtol=1e-3, atol=1e-4)


def test_random_follows_the_seed(net, tiny_data):
    found = groups.find(net, (1, 32, 32))
    one, again, other = (scores(net, found, "random", tiny_data, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
