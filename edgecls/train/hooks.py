"""What a method may do inside the training loop, beside its loss.

A hook keeps nothing from one step to the next but what follows from the net and the epoch, so that
a training that was killed goes on with the same result.
"""

from __future__ import annotations

from typing import Protocol

from torch import nn


class Hook(Protocol):
    """Called by `fit` in this order. net: as it is saved, in training mode."""

    def begin_epoch(self, net: nn.Module, epoch: int, epochs: int) -> None:
        """Before the first batch of `epoch` (from 1), after a restart too."""
        ...

    def after_backward(self, net: nn.Module) -> None:
        """The gradients of a step are whole, unscaled and shared by all processes."""
        ...

    def after_step(self, net: nn.Module) -> None:
        """The optimizer has changed the weights."""
        ...


class NoHook:
    """Leaves the training as it is; a method's hook may begin with it."""

    def begin_epoch(self, net: nn.Module, epoch: int, epochs: int) -> None:
        return None

    def after_backward(self, net: nn.Module) -> None:
        return None

    def after_step(self, net: nn.Module) -> None:
        return None
