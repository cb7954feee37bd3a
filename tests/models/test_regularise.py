"""Dropout and stochastic depth of a net, where it has them, and a clear word where it has not."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from edgecls.errors import UsageError
from edgecls.models import zoo


def depths(net: nn.Module) -> list[float]:
    return [m.p for m in net.modules() if isinstance(m, StochasticDepth)]


def drops(net: nn.Module) -> list[float]:
    return [m.p for m in net.modules() if isinstance(m, nn.Dropout)]


@pytest.mark.parametrize(
    "arch", ["lenet5", "resnet8", "rowgru", "mobilenet_v3_small", "alexnet", "vit_b_32"]
)
def test_dropout_is_set(arch):
    assert set(drops(zoo.build(arch, 4, 1, (64, 64), dropout=0.4))) == {0.4}


def test_without_being_asked_a_net_keeps_its_own():
    assert drops(zoo.build("mobilenet_v2", 4, 3, (64, 64))) == [0.2]
    own = zoo.build("resnet8", 4, 3, (32, 32))
    assert drops(own) == [0.0] and depths(own) == [0.0] * 3


def test_densenets_dropout_is_set():
    net = zoo.build("densenet121", 4, 3, (32, 32), dropout=0.3)
    layers = [m for m in net.modules() if type(m).__name__ == "_DenseLayer"]
    assert {layer.drop_rate for layer in layers} == {0.3}


def test_stochastic_depth_grows_linearly_to_what_was_asked():
    net = zoo.build("resnet20", 4, 3, (32, 32), stochastic_depth=0.45)
    assert depths(net) == pytest.approx([0.05 * i for i in range(1, 10)])
    assert {m.mode for m in net.modules() if isinstance(m, StochasticDepth)} == {"row"}


def test_a_net_with_stochastic_depth_keeps_its_own_growth():
    before = depths(zoo.build("convnext_tiny", 4, 3, (32, 32)))
    after = depths(zoo.build("convnext_tiny", 4, 3, (32, 32), stochastic_depth=0.3))
    assert max(before) == pytest.approx(0.1)
    assert after == pytest.approx([3 * p for p in before])


@pytest.mark.parametrize(
    ("arch", "option"),
    [
        ("resnet18", "dropout"),
        ("resnet18", "stochastic_depth"),
        ("lenet5", "stochastic_depth"),
        ("airbench94", "dropout"),
    ],
)
def test_a_net_that_has_no_such_thing_is_refused(arch, option):
    with pytest.raises(UsageError, match=f"{arch} has no {option}"):
        zoo.build(arch, 4, 3, (32, 32), **{option: 0.1})


def test_the_small_resnets_drop_in_training_alone():
    torch.manual_seed(0)
    net = zoo.build("resnet8", 4, 1, (32, 32), dropout=0.5, stochastic_depth=0.5)
    plain = zoo.build("resnet8", 4, 1, (32, 32))
    plain.load_state_dict(net.state_dict())  # the names of the tensors are the same
    images = torch.rand(4, 1, 32, 32)
    assert torch.equal(net.eval()(images), plain.eval()(images))
    net.train()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eval()
    first, second = net(images), net(images)
    assert not torch.equal(first, second)


def test_a_dropped_block_leaves_its_shortcut():
    net = zoo.build("resnet8", 4, 1, (32, 32), stochastic_depth=1.0)
    block = net.body[-1].train()
    features = torch.rand(3, 32, 16, 16)
    expected = torch.relu(block.shortcut(features))
    assert torch.equal(block(features), expected)
