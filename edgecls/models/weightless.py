"""Nets without weights: on torch's meta device a forward pass checks shapes, computing nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Weightless(TorchFunctionMode):
    """While it is entered, uninitialised tensors, and so all large weights, are on meta.

    ``torch.device("meta")`` would move the small tables too from which a RegNet reads its widths.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.empty:
            return func(*args, **{**(kwargs or {}), "device": "meta"})
        return func(*args, **(kwargs or {}))


def without_weights(net: nn.Module) -> nn.Module:
    """A copy of `net` on the meta device, in evaluation mode; `net` keeps its mode and weights."""
    shells: dict[int, Any] = {}
    for tensor in (*net.parameters(), *net.buffers()):
        shell = torch.empty_like(tensor, device="meta")
        is_parameter = isinstance(tensor, nn.Parameter)
        shells[id(tensor)] = nn.Parameter(shell, tensor.requires_grad) if is_parameter else shell
    return copy.deepcopy(net, shells).eval()


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums up the floating-point operations of convolutions and matrix products.

    torch's FlopCounterMode has the same formulas, and a tree of modules that takes ten times
    longer.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func.overloadpacket):
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out
