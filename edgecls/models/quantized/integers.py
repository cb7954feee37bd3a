"""A net trained for int8 as the operators that its ONNX graph is made of.

Weights are int8 tensors with a step for each channel, BatchNorm is folded into steps and biases,
and each rounding of an activation is a Q and a DQ with zero point 0. Biases stay in float.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecls.models.quantized.fake import HIGH, LOW, FakeQuantize
from edgecls.models.quantized.layers import QuantizedConv2d, QuantizedLinear, rounded, weight_steps


@torch.library.custom_op("edgecls::quantize_dequantize", mutates_args=())
def quantize_dequantize(x: Tensor, step: Tensor) -> Tensor:
    """``step · clip(round(x / step), -128, 127)``."""
    return (x / step).round().clamp(LOW, HIGH) * step


@torch.library.custom_op("edgecls::dequantize", mutates_args=())
def dequantize(integers: Tensor, steps: Tensor) -> Tensor:
    """float of int8[out channels, …]; steps: float[out channels]."""
    return integers.float() * steps.view(-1, *[1] * (integers.ndim - 1))


@quantize_dequantize.register_fake
def _(x: Tensor, step: Tensor) -> Tensor:
    return torch.empty_like(x)


@dequantize.register_fake
def _(integers: Tensor, steps: Tensor) -> Tensor:
    return torch.empty_like(integers, dtype=torch.float32)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For ``torch.onnx.export``: our operators in ONNX."""
    import onnx
    from onnxscript import opset18 as op

    def pair(x: Any, step: Any) -> Any:
        zero = op.Constant(value=onnx.helper.make_tensor("zero", onnx.TensorProto.INT8, [], [0]))
        return op.DequantizeLinear(op.QuantizeLinear(x, step, zero), step, zero)

    def weights(integers: Any, steps: Any) -> Any:
        return op.DequantizeLinear(integers, steps, axis=0)

    return {
        torch.ops.edgecls.quantize_dequantize.default: pair,
        torch.ops.edgecls.dequantize.default: weights,
    }


class _Rounding(nn.Module):
    def __init__(self, fake: FakeQuantize) -> None:
        super().__init__()
        self.is_clamped = fake.low == 0
        self.register_buffer("step", fake.limited_step().detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        value: Tensor = torch.ops.edgecls.quantize_dequantize(
            x.relu() if self.is_clamped else x, self.step
        )
        return value


class _Weights(nn.Module):
    """int8 weights; a negative factor of a channel turns the signs of its integers."""

    def __init__(self, weight: Tensor, limit: int, factor: Tensor) -> None:
        super().__init__()
        steps = weight_steps(weight, limit)
        shape = (-1, *[1] * (weight.ndim - 1))
        integers = (rounded(weight, limit) / steps.view(shape)).round()
        integers = integers * torch.where(factor < 0, -1.0, 1.0).view(shape)
        self.register_buffer("integers", integers.to(torch.int8).contiguous())
        self.register_buffer("steps", (steps * factor.abs()).clamp_min(torch.finfo().tiny))

    def forward(self) -> Tensor:
        value: Tensor = torch.ops.edgecls.dequantize(self.integers, self.steps)
        return value


class _Convolution(nn.Module):
    def __init__(self, layer: QuantizedConv2d) -> None:
        super().__init__()
        factor, bias = layer.affine()
        self.weights = _Weights(layer.conv.weight, layer.limit, factor)
        self.register_buffer("bias", bias.detach().clone())
        # For its padding and strides alone.
        self.conv = copy.deepcopy(layer.conv)
        del self.conv.weight, self.conv.bias

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.conv._conv_forward(x, self.weights(), self.bias)  # type: ignore[arg-type]
        return answer


class _Linear(nn.Module):
    def __init__(self, layer: QuantizedLinear) -> None:
        super().__init__()
        weight, bias = layer.linear.weight, layer.linear.bias
        self.weights = _Weights(weight, layer.limit, torch.ones(len(weight)))
        self.register_buffer("bias", None if bias is None else bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weights(), self.bias)  # type: ignore[arg-type]


@torch.no_grad()
def with_integers(net: nn.Module) -> nn.Module:
    """A copy of a net that was trained for int8, in evaluation mode."""
    net = copy.deepcopy(net).eval()
    for name, module in list(net.named_modules()):
        if isinstance(module, FakeQuantize):
            net.set_submodule(name, _Rounding(module))
        elif isinstance(module, QuantizedConv2d):
            net.set_submodule(name, _Convolution(module))
        elif isinstance(module, QuantizedLinear):
            net.set_submodule(name, _Linear(module))
    return net.requires_grad_(False)
