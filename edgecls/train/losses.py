"""Losses of `fit`: a function of (logits, classes, normalised images) to a scalar."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def cross_entropy(label_smoothing: float) -> Loss:
    """Cross entropy with the labels smoothed (Szegedy et al. 2016)."""
    return lambda logits, classes, images: F.cross_entropy(
        logits, classes, label_smoothing=label_smoothing
    )


def distillation(teacher: nn.Module, temperature: float, alpha: float, hard: Loss) -> Loss:
    """``alpha · T² · KL(teacher / T ‖ student / T) + (1 - alpha) · hard`` (Hinton et al. 2015)."""

    def loss(logits: Tensor, classes: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            target = F.log_softmax(teacher(images) / temperature, dim=1)
        soft = F.kl_div(
            F.log_softmax(logits / temperature, dim=1),
            target,
            reduction="batchmean",
            log_target=True,
        )
        return alpha * temperature**2 * soft + (1 - alpha) * hard(logits, classes, images)

    return loss
