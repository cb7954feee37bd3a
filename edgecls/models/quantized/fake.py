"""Fake quantization of activations: symmetric int8, one step for the tensor, learned.

Learned step size quantization (Esser et al., ICLR 2020): rounding passes the gradient on unchanged,
and the step gets the gradient of what it does to the values, scaled so that it learns about as fast
as weights do.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

LOW, HIGH = -128, 127
# Of a step: below this a tensor holds nothing but zeros.
LEAST_STEP = 1e-8
# So many values of a batch are kept to choose the first step from.
WATCHED = 1 << 16
CANDIDATES = 64

Clamp = Literal["none", "relu", "relu6"]


def rounded(x: Tensor, step: float, low: int) -> Tensor:
    """``step · clip(round(x / step), low, 127)``: operations that run vectorised, in place.

    PyTorch's own fake quantization is one operator, but a scalar one: five times slower on a CPU.
    """
    return torch.mul(x, 1 / step).round_().clamp_(low, HIGH).mul_(step)


class _Rounded(torch.autograd.Function):
    """`rounded`, with gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: int) -> Tensor:
        value = rounded(x, float(step), low)
        ctx.low = low
        ctx.save_for_backward(x, step, value)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        x, step, value = ctx.saved_tensors
        (gradient,) = gradients
        size = float(step)
        # What it passes on is what a clamp to these ends would.
        ends = ((ctx.low - 0.5) * size, (HIGH + 0.5) * size)
        passed = torch.ops.aten.hardtanh_backward(gradient, x, *ends)
        if not ctx.needs_input_grad[1]:
            return passed, None, None
        # Within the range d(value)/d(step) is (value - x) / step, and value / step outside.
        total = _product(gradient, value) - _product(passed, x)
        share = 1 / math.sqrt(HIGH * max(1, x[0].numel()))
        return passed, total / size * share, None


def _product(a: Tensor, b: Tensor) -> Tensor:
    """The sum of the products of all values, without a copy where both are channels_last."""
    if b.ndim == 4 and b.is_contiguous(memory_format=torch.channels_last):
        a, b = a.permute(0, 2, 3, 1), b.permute(0, 2, 3, 1)
    return torch.dot(a.reshape(-1), b.reshape(-1))


class FakeQuantize(nn.Module):
    """What an int8 tensor holds of float values, and the clamp before it, which costs nothing here.

    A ReLU is the range from 0; a ReLU6 moreover keeps the step at 6 / 127 or below, so that the
    range ends at 6 or before. Until it has watched some values it lets them through.
    """

    def __init__(self, clamp: Clamp = "none") -> None:
        super().__init__()
        self.clamp = clamp
        self.low = LOW if clamp == "none" else 0
        self.ceiling = 6 / HIGH if clamp == "relu6" else math.inf
        self.step = nn.Parameter(torch.ones(()))
        self.watching = False
        self._seen: list[Tensor] = []

    def limited_step(self) -> Tensor:
        """The step that is in force."""
        return self.step.clamp(LEAST_STEP, self.ceiling)

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        if x.is_meta:  # the shape is asked for, and torch has no rounding without values
            return x
        if self.watching:
            return self._watch(x)
        if torch.is_grad_enabled():
            return _Rounded.apply(x, self.limited_step(), self.low)  # type: ignore[no-any-return]
        return rounded(x, float(self.limited_step()), self.low)

    def _watch(self, x: Tensor) -> Tensor:
        if self.clamp != "none":
            x = x.clamp(0, 6) if self.clamp == "relu6" else x.relu()
        values = x.detach().flatten()
        stride = max(1, len(values) // WATCHED)
        # The largest value is watched in any case.
        self._seen += [values[::stride].clone(), values.abs().amax().reshape(1)]
        return x

    @torch.no_grad()
    def settle(self) -> None:
        """Take the step that rounds what was watched with the least squared error."""
        values = torch.cat(self._seen)
        self._seen, self.watching = [], False
        largest = float(values.abs().amax())
        steps = [largest * (i + 1) / CANDIDATES / HIGH for i in range(CANDIDATES // 8, CANDIDATES)]
        errors = [_squared_error(values, step, self.low) for step in steps]
        best = steps[min(range(len(steps)), key=errors.__getitem__)]
        self.step.fill_(min(max(best, LEAST_STEP), self.ceiling))


def _squared_error(values: Tensor, step: float, low: int) -> float:
    if step < LEAST_STEP:
        return 0.0
    return float((rounded(values, step, low) - values).square().mean())
