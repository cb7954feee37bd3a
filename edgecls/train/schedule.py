"""The learning rate of every step, as a share of its peak: a pure function of where one is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgecls.train.options import FitOptions


def factor(
    options: FitOptions, step: int, steps: int, curves: Sequence[Mapping[str, float]]
) -> float:
    """The share of the peak at `step` of `steps`, both over the whole training.

    Linear warm-up, then: half a cosine (Loshchilov & Hutter 2017), nothing, falls at milestones, a
    line (one-cycle, Smith 2018), or a fall whenever validation has stalled. curves: the epochs
    that are behind, for the last one.
    """
    warmup = options.warmup * steps
    if step < warmup:
        share = (step + 1) / math.ceil(warmup)
        return options.start_lr + (1 - options.start_lr) * share
    passed = (step - warmup) / max(1.0, steps - warmup)
    falling = 1 - options.final_lr
    match options.schedule:
        case "constant":
            return 1.0
        case "step":
            return options.gamma ** sum(step >= share * steps for share in options.milestones)
        case "plateau":
            return max(options.final_lr, options.gamma ** falls(curves, options.plateau))
        case "one-cycle":
            return options.final_lr + falling * (1 - passed)
        case "cosine":
            return options.final_lr + falling * 0.5 * (1 + math.cos(math.pi * passed))


def falls(curves: Sequence[Mapping[str, float]], patience: int) -> int:
    """How often the validation loss has gone `patience` epochs without a new minimum."""
    best, waited, count = math.inf, 0, 0
    for epoch in curves:
        waited = 0 if epoch["val_loss"] < best else waited + 1
        best = min(best, epoch["val_loss"])
        if waited == patience:
            waited, count = 0, count + 1
    return count
