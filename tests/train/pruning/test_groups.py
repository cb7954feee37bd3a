"""Channels that hang together: all of them are found, and none is cut that must stay."""

from __future__ import annotations

import copy

import pytest
import torch

from edgecls.errors import UsageError
from edgecls.models import cost, zoo
from edgecls.train.pruning import groups
from edgecls.train.pruning.cutting import cut


def built(arch: str, size: int) -> torch.nn.Module:
    torch.manual_seed(0)
    net = zoo.build(arch, 10, 3, (size, size)).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net


def made(net: torch.nn.Module, size: int, **options: object) -> list[groups.Group]:
    return groups.find(net, (3, size, size), **options)


@pytest.mark.parametrize(
    ("arch", "size"),
    [
        ("lenet5", 20),  # a flattened map of features in front of a linear layer
        ("resnet8", 32),  # residuals
        ("airbench96", 32),
        ("mobilenet_v3_small", 32),  # depthwise convolutions, squeeze and excitation
        ("squeezenet1_1", 32),  # concatenations, and a convolution as the head
        ("regnet_y_400mf", 32),  # grouped convolutions
    ],
)
def test_the_cut_net_is_the_whole_one_without_those_channels(arch, size):
    """A channel that nobody reads any more may as well not be there."""
    net = built(arch, size)
    found = made(net, size)
    drops = [(group, range(1, group.size, 3)) for group in found]
    unread = copy.deepcopy(net)
    with torch.no_grad():
        for group, units in drops:
            for member in group.members:
                if member.side == "in":
                    gone = [i for i, unit in enumerate(member.units) if unit in units]
                    unread.get_submodule(member.layer).weight[:, gone] = 0
    whole = cost.num_params(net)
    cut(net, drops)
    assert cost.num_params(net) < 0.9 * whole
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(net(images), unread(images), rtol=1e-4, atol=1e-5)


def test_the_stem_and_the_head_keep_their_channels_unless_told():
    net = built("resnet8", 32)
    tops = {m.layer for g in made(net, 32) for m in g.members if m.side == "out"}
    assert not tops & {"stem.0", "body.0.conv2", "head"} and "body.0.conv1" in tops
    freed = made(net, 32, protect_stem=False)
    tops = {m.layer for g in freed for m in g.members if m.side == "out"}
    assert {"stem.0", "body.0.conv2"} <= tops and "head" not in tops


def test_protected_layers_and_blocks_keep_their_channels():
    net = built("resnet8", 32)
    names = {group.name for group in made(net, 32)}
    assert names - {group.name for group in made(net, 32, protect=["body.0"])} == {"body.0.conv1"}
    left = {group.name for group in made(net, 32, protect=["*.conv1"])}
    assert left and not any(name.endswith("conv1") for name in left)
    with pytest.raises(UsageError, match="unknown layer in protect: 'bdy'"):
        made(net, 32, protect=["bdy"])
    with pytest.raises(UsageError, match="without the protected ones"):
        made(net, 32, protect=["body"])


def test_of_a_transformer_the_hidden_channels_of_its_mlps_are_found():
    net = zoo.build("vit_b_16", 10, 3, (32, 32)).eval()
    found = made(net, 32)
    assert len(found) == 12 and {group.size for group in found} == {3072}
    cut(net, [(group, range(1024)) for group in found])
    assert net.encoder.layers[0].mlp[0].out_features == 2048
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize("arch", ["shufflenet_v2_x0_5", "rowgru"])
def test_a_net_that_cannot_be_cut_says_so(arch):
    with pytest.raises(UsageError, match=r"cannot cut this net|no layers whose channels") as caught:
        made(built(arch, 64), 64)
    assert "another net" in caught.value.fix


def test_looking_leaves_the_net_alone():
    net = built("airbench94", 32).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    made(net, 32)
    assert net.training and not net.whiten.weight.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
