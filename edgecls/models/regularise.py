"""Dropout (Srivastava et al. 2014) and stochastic depth (Huang et al. 2016) of a net that has them.

Neither has parameters, so the tensors of a checkpoint stay the same; both do nothing in evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torchvision.ops import StochasticDepth

from edgecls.errors import UsageError


def regularise(
    net: nn.Module, arch: str, dropout: float | None, stochastic_depth: float | None
) -> None:
    """Set the probabilities of `net` in place; None leaves them as they are.

    stochastic_depth: of the last block. The others keep their share of it, or get one that grows
    linearly with the depth where the net has none of its own. Raises UsageError where the net has
    no module for it.
    """
    if dropout is not None:
        drops = [m for m in net.modules() if isinstance(m, nn.Dropout)]
        # DenseNet's layers drop by a function.
        layers = [m for m in net.modules() if isinstance(getattr(m, "drop_rate", None), float)]
        _need([*drops, *layers], arch, "dropout")
        for drop in drops:
            drop.p = dropout
        for layer in layers:
            layer.drop_rate = dropout  # type: ignore[assignment]
    if stochastic_depth is not None:
        depths = [m for m in net.modules() if isinstance(m, StochasticDepth)]
        _need(depths, arch, "stochastic_depth")
        ramp = [depth.p for depth in depths]
        if not any(ramp):
            ramp = [float(i) for i in range(1, len(depths) + 1)]
        for depth, share in zip(depths, ramp, strict=True):
            depth.p = stochastic_depth * share / max(ramp)


def _need(found: Sequence[nn.Module], arch: str, option: str) -> None:
    if not found:
        raise UsageError(f"{arch} has no {option}", f"leave {option} out, or choose another net")
