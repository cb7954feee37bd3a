"""Single weights that are zero: which, how many, and holding them so through a training.

- unstructured: the weights of least magnitude, of the whole net or of each layer, by the cubic
  schedule of Zhu & Gupta (2017): fast while there is much to spare, slower towards the end
- N:M: of every M weights along the input channels, N are left (2:4 is what NVIDIA's sparse tensor
  cores take: Mishra et al. 2021)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from edgecls.errors import UsageError
from edgecls.train.hooks import NoHook

Scope = Literal["global", "layer"]
Masks = Mapping[str, Tensor]


@dataclass(frozen=True)
class Pattern:
    """left of every `of` weights stay; of = 0 is unstructured. scope: where weights compete."""

    left: int = 0
    of: int = 0
    scope: Scope = "global"

    @staticmethod
    def parse(text: str, scope: Scope = "global") -> Pattern:
        """``unstructured`` or such as ``2:4``."""
        if text == "unstructured":
            return Pattern(scope=scope)
        left, _, of = text.partition(":")
        return Pattern(int(left), int(of), "layer")


def layers(net: nn.Module, pattern: Pattern) -> dict[str, nn.Parameter]:
    """Name -> the weights that may become zero: not the head's, nor the stem's, nor depthwise ones.

    Those layers have few weights and feel each of them. Of N:M, layers whose input channels do not
    come in whole groups of M stay dense too. Raises UsageError where none is left.
    """
    found = {
        name: layer.weight
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }
    inner = dict(list(found.items())[1:-1])
    chosen = {
        name: weight
        for name, weight in inner.items()
        if weight.shape[1] > 1 and (not pattern.of or weight.shape[1] % pattern.of == 0)
    }
    if not chosen:
        raise UsageError(
            "the net has no layer between its first and its last whose weights can be made sparse",
            "choose pattern unstructured, or another net",
        )
    return chosen


def masks(weights: Mapping[str, Tensor], pattern: Pattern, share: float) -> dict[str, Tensor]:
    """bool of each weight's shape: what stays. share: of zeros, where the pattern has none."""
    with torch.no_grad():
        if pattern.of:
            return {name: _n_of_m(w, pattern.left, pattern.of) for name, w in weights.items()}
        if pattern.scope == "layer":
            return {name: _largest({name: w}, share)[name] for name, w in weights.items()}
        return _largest(weights, share)


def _largest(weights: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """All but exactly the share of least magnitude; of equals, the first ones go."""
    flat = torch.cat([weight.detach().abs().flatten() for weight in weights.values()])
    stay = torch.ones_like(flat, dtype=torch.bool)
    stay[flat.argsort(stable=True)[: round(share * len(flat))]] = False
    parts = torch.split(stay, [weight.numel() for weight in weights.values()])
    return {
        name: part.view(weight.shape)
        for (name, weight), part in zip(weights.items(), parts, strict=True)
    }


def _n_of_m(weight: Tensor, left: int, of: int) -> Tensor:
    """The largest `left` of every `of` along dimension 1, the input channels."""
    rows = weight.detach().abs().transpose(1, -1)
    order = rows.reshape(-1, of).argsort(dim=1, descending=True, stable=True)
    stay: Tensor = order.argsort(dim=1) < left
    return stay.view(rows.shape).transpose(1, -1).contiguous()


def ramp(share: float, epoch: int, epochs: int) -> float:
    """Zhu & Gupta, equation 1: the share of zeros in `epoch` (from 1) of `epochs`."""
    return share * (1 - (1 - epoch / epochs) ** 3)


class Held(NoHook):
    """Keeps weights at zero. share: epoch, epochs -> the share of zeros in it.

    The masks follow from the weights at the epoch's begin, in which zeros are the least: a training
    that is taken up again has the same.
    """

    def __init__(self, pattern: Pattern, share: Callable[[int, int], float]) -> None:
        self._pattern, self._share = pattern, share
        self._masks: Masks = {}

    def begin_epoch(self, net: nn.Module, epoch: int, epochs: int) -> None:
        self._masks = masks(layers(net, self._pattern), self._pattern, self._share(epoch, epochs))
        self.after_step(net)

    def after_step(self, net: nn.Module) -> None:
        zero(net, self._masks)


@torch.no_grad()
def zero(net: nn.Module, chosen: Masks) -> None:
    """Set to exactly zero what the masks do not keep, in place."""
    for name, mask in chosen.items():
        net.get_parameter(f"{name}.weight").masked_fill_(~mask, 0.0)


def zeros(net: nn.Module, pattern: Pattern) -> dict[str, tuple[int, int]]:
    """Layer -> (weights that are zero, weights)."""
    found = layers(net, pattern)
    return {name: (int((w == 0).sum()), w.numel()) for name, w in found.items()}


def compressed_bytes(net: nn.Module) -> int:
    """The size of all weights after DEFLATE, as in a .zip or an over-the-air update."""
    return sum(len(zlib.compress(t.numpy().tobytes(), 9)) for t in net.cpu().state_dict().values())
