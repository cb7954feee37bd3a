"""Convolutions and linear layers with weights in symmetric int8 per output channel.

The step of a channel is its largest weight over 127, or over 64 where the weights are to stay in 7
bits. A positive or negative factor of a channel changes its step and no integer, so the weights are
rounded as they are, and BatchNorm, which is such a factor, is folded into the steps (Nagel et al.
2021, section 5.2.1).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LIMIT, REDUCED_LIMIT = 127, 64
LEAST_STEP = 1e-12


def weight_steps(weight: Tensor, limit: int) -> Tensor:
    """float[out channels]."""
    return (weight.detach().flatten(1).abs().amax(1) / limit).clamp_min(LEAST_STEP)


def rounded(weight: Tensor, limit: int) -> Tensor:
    """`weight` on its grid; gradients pass unchanged."""
    if weight.is_meta:  # the shape is asked for, and torch has no rounding without values
        return weight
    steps = weight_steps(weight, limit)
    zeros = torch.zeros(len(steps), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, steps, zeros, 0, -limit, limit)


class QuantizedConv2d(nn.Module):
    """A convolution, and the BatchNorm behind it.

    BatchNorm in training mode uses the batch's statistics; in evaluation mode it is a factor of the
    weights and a part of the bias, and costs no pass of its own.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, limit: int) -> None:
        super().__init__()
        self.conv, self.norm, self.limit = conv, norm, limit

    def forward(self, x: Tensor) -> Tensor:
        weight = rounded(self.conv.weight, self.limit)
        if self.norm is None:
            return self._conv(x, weight, self.conv.bias)
        if self.norm.training:
            return self.norm(self._conv(x, weight, self.conv.bias))  # type: ignore[no-any-return]
        factor, bias = self.affine()
        return self._conv(x, weight * factor.view(-1, 1, 1, 1), bias)

    def affine(self) -> tuple[Tensor, Tensor]:
        """(factor, bias): float[out channels] of what BatchNorm makes of the convolution."""
        weight, bias = self.conv.weight, self.conv.bias
        zeros = weight.new_zeros(len(weight)) if bias is None else bias
        norm = self.norm
        if norm is None:
            return torch.ones_like(zeros), zeros
        assert norm.running_mean is not None
        assert norm.running_var is not None
        factor = torch.rsqrt(norm.running_var + norm.eps)
        if norm.weight is not None:
            factor = factor * norm.weight
        shift = (zeros - norm.running_mean) * factor
        return factor, shift if norm.bias is None else shift + norm.bias

    def _conv(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        answer: Tensor = self.conv._conv_forward(x, weight, bias)  # its padding modes too
        return answer


class QuantizedLinear(nn.Module):
    """A linear layer."""

    def __init__(self, linear: nn.Linear, limit: int) -> None:
        super().__init__()
        self.linear, self.limit = linear, limit

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, rounded(self.linear.weight, self.limit), self.linear.bias)
