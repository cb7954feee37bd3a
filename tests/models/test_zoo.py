"""Nets by name: each is built for the classes, the channels and the size that were asked."""

from __future__ import annotations

import pytest
import torch

from edgecls.errors import UsageError
from edgecls.models import cost, zoo


@pytest.mark.parametrize("size", [(20, 20), (32, 32), (28, 40), (96, 96)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("arch", zoo.SMALL)
def test_small_nets_take_any_size_and_both_colour_modes(arch, channels, size):
    net = zoo.build(arch, 7, channels, size)
    assert net.training
    assert net(torch.zeros(2, channels, *size)).shape == (2, 7)


def test_small_resnets_have_the_layers_of_their_names():
    def layers(arch: str) -> int:
        net = zoo.build(arch, 10, 3, (32, 32))
        weights = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        shortcuts = [name for name, _ in net.named_modules() if name.endswith("shortcut.0")]
        return len(weights) - len(shortcuts)

    assert [layers(arch) for arch in zoo.SMALL] == [5, 8, 20, 56]


@pytest.mark.parametrize(
    ("arch", "channels"),
    [
        ("squeezenet1_1", 3),
        ("squeezenet1_1", 1),
        ("mobilenet_v3_small", 1),
        ("resnet18", 1),
        ("shufflenet_v2_x0_5", 3),
        ("googlenet", 3),
    ],
)
def test_nets_of_torchvision_fit_the_data_and_train(arch, channels):
    net = zoo.build(arch, 3, channels, (64, 64))
    logits = net(torch.rand(4, channels, 64, 64))
    assert logits.shape == (4, 3)
    logits.sum().backward()
    assert next(m for m in net.modules() if isinstance(m, torch.nn.Conv2d)).in_channels == channels


def test_weights_follow_the_seed():
    def weights() -> torch.Tensor:
        torch.manual_seed(5)
        return zoo.build("resnet8", 10, 1, (32, 32)).state_dict()["head.weight"]

    assert torch.equal(weights(), weights())


def test_an_unknown_net_is_refused_with_the_nearest_and_all_valid_ones():
    with pytest.raises(UsageError, match="unknown net: 'resnet9'") as caught:
        zoo.build("resnet9", 10, 3, (32, 32))
    assert "did you mean 'resnet" in caught.value.fix
    assert "mobilenet_v3_small" in caught.value.fix and "lenet5" in caught.value.fix


@pytest.mark.parametrize(
    ("arch", "size"),
    [("lenet5", (8, 8)), ("squeezenet1_1", (8, 8)), ("vit_b_32", (32, 32)), ("alexnet", (32, 32))],
)
def test_a_size_that_the_net_cannot_take_is_said_before_any_training(arch, size):
    with pytest.raises(UsageError, match=f"{arch} cannot take images of {size[0]}×") as caught:
        zoo.build(arch, 10, 3, size)
    assert "data.size" in caught.value.fix
    assert "\n" not in caught.value.cause


def test_cost_is_of_one_image_and_leaves_the_net_alone():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, bias=False), torch.nn.Flatten())
    net.train()
    assert cost.count(net, (1, 5, 4)) == (2 * 9 * 3 * 2, 18)
    assert net.training and not net[0]._forward_hooks
