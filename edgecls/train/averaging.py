"""Averages of the weights over the steps, which validate better than the last step's own.

ema: an exponential average beside the net (Polyak & Juditsky 1992), used for validation and kept.
lookahead: every five steps the net itself is pulled back to its average, by a weight that grows to
0.77 over the training (Zhang et al. 2019, with the schedule of airbench).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgecls.train.options import Averaging

EVERY = 5
LOOKAHEAD_DECAY = 0.95**EVERY


class Average:
    """The average of a net's weights and running statistics."""

    def __init__(self, net: nn.Module, kind: Averaging, decay: float) -> None:
        self.net, self.kind, self.decay = net, kind, decay
        self.tensors: dict[str, Tensor] = {}
        if kind != "none":
            self.tensors = {name: t.detach().clone() for name, t in _floats(net)}

    @torch.no_grad()
    def update(self, step: int, steps: int) -> None:
        """After `step` (from 1) of `steps`."""
        if self.kind == "ema":
            # The first steps' weights are no average yet: they are forgotten quickly.
            self._pull(min(self.decay, (1 + step) / (10 + step)))
        elif self.kind == "lookahead" and (step % EVERY == 0 or step == steps):
            self._pull(LOOKAHEAD_DECAY * (step / steps) ** 3 if step < steps else 1.0)
            for name, tensor in _floats(self.net):
                tensor.copy_(self.tensors[name])

    def _pull(self, decay: float) -> None:
        for name, tensor in _floats(self.net):
            self.tensors[name].lerp_(tensor, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The net with the weights that are validated and kept."""
        if self.kind != "ema":
            yield
            return
        own = {name: t.detach().clone() for name, t in _floats(self.net)}
        self._set(self.tensors)
        try:
            yield
        finally:
            self._set(own)

    def settle(self) -> None:
        """Leave the net with the weights that are kept."""
        if self.kind == "ema":
            self._set(self.tensors)

    @torch.no_grad()
    def _set(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in _floats(self.net):
            tensor.copy_(tensors[name])


def _floats(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Weights and running statistics, but no counters."""
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            yield name, tensor
