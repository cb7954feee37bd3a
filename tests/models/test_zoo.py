"""Nets by name: each is built for the classes, the channels and the size that were asked."""

from __future__ import annotations

import pytest
import torch

from edgecls.errors import UsageError
from edgecls.models import zoo


@pytest.mark.parametrize("size", [(20, 20), (32, 32), (28, 40), (96, 96)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("arch", zoo.OWN)
def test_small_nets_take_any_size_and_both_colour_modes(arch, channels, size):
    net = zoo.build(arch, 7, channels, size)
    assert net.training
    assert net(torch.zeros(2, channels, *size)).shape == (2, 7)


@pytest.mark.parametrize(
    ("arch", "layers"), [("lenet5", 5), ("resnet8", 8), ("resnet20", 20), ("resnet56", 56)]
)
def test_small_nets_have_the_layers_of_their_names(arch, layers):
    net = zoo.build(arch, 10, 3, (32, 32))
    weights = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    shortcuts = [name for name, _ in net.named_modules() if name.endswith("shortcut.0")]
    assert len(weights) - len(shortcuts) == layers


@pytest.mark.parametrize(
    ("arch", "channels"),
    [
        ("squeezenet1_1", 3),
        ("squeezenet1_1", 1),
        ("mobilenet_v3_small", 1),
        ("resnet18", 1),
        ("shufflenet_v2_x0_5", 3),
        ("googlenet", 3),
        ("regnet_x_400mf", 1),
        ("mobilenet_v3_small_32", 1),
    ],
)
def test_nets_of_torchvision_fit_the_data_and_train(arch, channels):
    net = zoo.build(arch, 3, channels, (64, 64))
    assert all(parameter.device.type == "cpu" for parameter in net.parameters())
    logits = net(torch.rand(4, channels, 64, 64))
    assert logits.shape == (4, 3)
    logits.sum().backward()
    first = next(m for m in net.modules() if isinstance(m, torch.nn.Conv2d))
    assert first.in_channels == first.weight.shape[1] == channels


def test_a_first_convolution_for_grayscale_keeps_the_nets_own_initialisation():
    torch.manual_seed(0)
    colour = zoo.build("resnet18", 3, 3, (64, 64)).conv1
    torch.manual_seed(0)
    gray = zoo.build("resnet18", 3, 1, (64, 64)).conv1
    assert torch.equal(gray.weight, colour.weight[:, :1])
    assert (gray.stride, gray.padding, gray.bias) == (colour.stride, colour.padding, None)


def test_weights_follow_the_seed():
    def weights() -> torch.Tensor:
        torch.manual_seed(5)
        return zoo.build("resnet8", 10, 1, (32, 32)).state_dict()["head.weight"]

    assert torch.equal(weights(), weights())


def test_a_net_that_is_built_in_inference_mode_can_be_trained():
    with torch.inference_mode():
        net = zoo.build("lenet5", 10, 1, (32, 32))
    assert net.training


@pytest.mark.parametrize("name", ["resnet9", "timm/resnet19"])
def test_an_unknown_net_is_refused_with_the_nearest_and_all_valid_ones(name):
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    with pytest.raises(UsageError, match=f"unknown net: '{name}'") as caught:
        zoo.build(name, 10, 3, (32, 32))
    assert f"did you mean '{name[:-1]}" in caught.value.fix
    if name == "resnet9":
        assert "mobilenet_v3_small" in caught.value.fix and "lenet5" in caught.value.fix


@pytest.mark.parametrize(
    ("arch", "side", "larger"),
    [
        ("lenet5", 8, 16),
        ("squeezenet1_1", 8, 17),
        ("vit_b_32", 40, 64),
        ("vit_h_14", 32, 42),
        ("alexnet", 32, 63),
        ("vgg11", 16, 32),
    ],
)
def test_a_size_that_the_net_cannot_take_is_refused_with_the_next_that_it_takes(arch, side, larger):
    with pytest.raises(UsageError, match=f"{arch} cannot take images of {side}×{side}") as caught:
        zoo.build(arch, 10, 3, (side, side))
    assert f"set data.size to {larger}," in caught.value.fix
    assert "\n" not in caught.value.cause
    zoo.price(arch, 10, 3, (larger, larger))


def test_a_size_above_all_that_were_tried_leaves_another_net():
    with pytest.raises(UsageError) as caught:
        zoo.build("vit_b_32", 10, 3, (801, 801))
    assert caught.value.fix == "choose a smaller net, such as resnet8"


def test_a_transformer_for_long_images_is_refused():
    with pytest.raises(UsageError, match="vit_b_16 takes square images only"):
        zoo.build("vit_b_16", 10, 3, (32, 64))


@pytest.mark.parametrize("arch", ["mobilenet_v2_32", "mobilenet_v3_small_32"])
def test_the_nets_for_small_images_differ_in_the_stride_of_their_stem_alone(arch):
    small, whole = (zoo.build(name, 10, 3, (32, 32)) for name in (arch, arch[:-3]))
    strides = [
        [m.stride for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
        for net in (small, whole)
    ]
    assert strides[0] == [(1, 1), *strides[1][1:]] != strides[1]
    assert {n: t.shape for n, t in small.state_dict().items()} == {
        n: t.shape for n, t in whole.state_dict().items()
    }
    assert zoo.price(arch, 10, 3, (32, 32))[0] > 2 * zoo.price(arch[:-3], 10, 3, (32, 32))[0]
