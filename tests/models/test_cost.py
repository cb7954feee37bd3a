"""MACs are those of convolutions and matrix products, of one image; counting changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgecls.models import cost, zoo


def test_cost_is_of_one_image_and_leaves_the_net_alone():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Flatten())
    net.train()
    assert cost.count(net, (1, 5, 4)) == (2 * 9 * 3 * 2, 18)
    assert net.training and not net[0]._forward_hooks
    assert net[0].weight.device.type == "cpu"


@pytest.mark.parametrize(
    ("net", "macs"),
    [
        (nn.Conv2d(4, 8, 3, padding=1, groups=4), 8 * 9 * 36),
        (nn.Sequential(nn.Flatten(), nn.Linear(144, 10)), 1440),
        (nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2)), 0),
    ],
)
def test_only_products_count(net, macs):
    assert cost.count(net, (4, 6, 6))[0] == macs


def test_the_steps_of_a_recurrent_net_count_each():
    macs, params = cost.count(zoo.build("rowgru", 10, 1, (28, 32)), (1, 28, 32))
    assert macs == 28 * 3 * 128 * (32 + 128) + 128 * 10
    assert params == 3 * 128 * (32 + 128 + 2) + 128 * 10 + 10


def test_parameters_count_that_are_not_trained_and_buffers_do_not():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).requires_grad_(False)
    assert cost.count(net, (1, 4, 4))[1] == 4 + 4


def test_it_counts_in_inference_mode_too():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
    with torch.inference_mode():
        assert cost.count(net, (1, 4, 4))[0] == 160
