"""Losses of `fit`: a function of (logits, target, `Piece`) to a scalar.

target: int64[N], or float[N, K] of probabilities where images were mixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecls.core import Classes, Dataset
from edgecls.train.options import FitOptions


@dataclass(frozen=True)
class Piece:
    """The images that a loss is about, and their place in the training.

    images: float[N, C, H, W], normalised and mixed. epoch: from 1. start: how many images this
    process has seen in this epoch before these.
    """

    images: Tensor
    epoch: int = 1
    start: int = 0


Loss = Callable[[Tensor, Tensor, Piece], Tensor]


def cross_entropy(label_smoothing: float, weights: Tensor | None = None) -> Loss:
    """Cross entropy with the labels smoothed (Szegedy et al. 2016). weights: float[K], by class."""
    return lambda logits, target, piece: F.cross_entropy(
        logits,
        target,
        weight=None if weights is None else weights.to(logits.device),
        label_smoothing=label_smoothing,
    )


def balanced(classes: Classes, num_classes: int) -> Tensor:
    """float[K], mean 1 over the images: the rarer a class, the more each of its images weighs."""
    counts = np.bincount(classes, minlength=num_classes)
    present = max(1, int(np.count_nonzero(counts)))
    weights = np.where(counts, len(classes) / (present * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def hard(options: FitOptions, data: Dataset) -> Loss:
    """The loss on the labels that the options ask for."""
    weights = None
    if options.class_weights == "balanced":
        weights = balanced(data["train"][1], len(data.labels))
    return cross_entropy(options.label_smoothing, weights)


def distillation(teacher: nn.Module, temperature: float, alpha: float, on_labels: Loss) -> Loss:
    """``alpha · T² · KL(teacher / T ‖ student / T) + (1 - alpha) · on_labels`` (Hinton 2015)."""

    def loss(logits: Tensor, target: Tensor, piece: Piece) -> Tensor:
        with torch.no_grad():
            answer = F.log_softmax(teacher(piece.images).float() / temperature, dim=1)
        soft = F.kl_div(
            F.log_softmax(logits / temperature, dim=1),
            answer,
            reduction="batchmean",
            log_target=True,
        )
        return alpha * temperature**2 * soft + (1 - alpha) * on_labels(logits, target, piece)

    return loss
