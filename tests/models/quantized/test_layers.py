"""Layers with rounded weights, and BatchNorm folded into them."""

from __future__ import annotations

import copy

import torch
from torch import nn

from edgecls.models.quantized.layers import (
    LIMIT,
    REDUCED_LIMIT,
    QuantizedConv2d,
    QuantizedLinear,
    rounded,
    weight_steps,
)


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            assert tensor is not None
            tensor.normal_()
        assert norm.running_var is not None
        norm.running_var.uniform_(0.1, 4)
    return norm


def test_weights_are_whole_steps_and_7_bits_are_half_of_8() -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 4, 3, 3)
    for limit in (LIMIT, REDUCED_LIMIT):
        integers = rounded(weight, limit) / weight_steps(weight, limit).view(-1, 1, 1, 1)
        assert torch.allclose(integers, integers.round(), atol=1e-3)
        assert integers.abs().amax(dim=(1, 2, 3)).round().tolist() == [limit] * 6


def test_folded_batchnorm_is_batchnorm() -> None:
    """A negative factor too: the norm's weights are drawn around 0."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(4, 6, 3, padding=1, groups=2), _norm(6).eval()
    layer = QuantizedConv2d(copy.deepcopy(conv), copy.deepcopy(norm), LIMIT).eval()
    x = torch.randn(2, 4, 5, 5)
    with torch.no_grad():
        conv.weight.copy_(rounded(conv.weight, LIMIT))
        expected = norm(conv(x))
        assert torch.allclose(layer(x), expected, atol=1e-5)


def test_batchnorm_learns_its_statistics_in_training_mode() -> None:
    layer = QuantizedConv2d(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), LIMIT).train()
    layer(torch.randn(4, 1, 6, 6))
    assert layer.norm is not None
    assert layer.norm.running_mean is not None
    assert float(layer.norm.running_mean.abs().sum()) > 0


def test_a_channel_without_weights_gives_its_bias() -> None:
    linear = nn.Linear(3, 2)
    with torch.no_grad():
        linear.weight.zero_()
        answer = QuantizedLinear(linear, LIMIT)(torch.randn(5, 3))
    assert torch.equal(answer, linear.bias.detach().expand(5, 2))
