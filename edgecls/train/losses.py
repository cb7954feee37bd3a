"""Losses of `fit`: a function of (logits, target, `Piece`) to a scalar.

target: int64[N], or float[N, K] of probabilities where images were mixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgecls.core import Classes, Dataset
from edgecls.train.options import FitOptions


@dataclass(frozen=True)
class Piece:
    """The images that a loss is about, and their place in the training.

    images: float[N, C, H, W], normalised and mixed. epoch: from 1; where the views of the images
    come again, the one that they come from. start: how many images this process has seen in this
    epoch before these.
    """

    images: Tensor
    epoch: int = 1
    start: int = 0


Loss = Callable[[Tensor, Tensor, Piece], Tensor]
# The logits of every teacher, each float[N, K].
Answers = Callable[[Piece], Sequence[Tensor]]
Kind = Literal["kd", "dkd"]


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


def distillation(
    teacher: nn.Module | Answers,
    temperature: float,
    alpha: float,
    on_labels: Loss,
    kind: Kind = "kd",
    beta: float = 1.0,
) -> Loss:
    """``alpha · T² · soft + (1 - alpha) · on_labels``: what the teacher says, and what is true.

    soft is ``KL(teacher / T ‖ student / T)`` (Hinton et al. 2015), or for ``dkd`` that divergence
    taken apart into ``KL(is it the true class) + beta · KL(which of the others)`` (Zhao et al.,
    CVPR 2022). The answers of several teachers are averaged as probabilities. An image without a
    label (class -1) learns from the teacher alone.
    """
    answers = _alone(teacher) if isinstance(teacher, nn.Module) else teacher
    labelled = of_labelled(on_labels)

    def loss(logits: Tensor, target: Tensor, piece: Piece) -> Tensor:
        with torch.no_grad():
            taught = softened(answers(piece), temperature)
        told = F.log_softmax(logits / temperature, dim=1)
        if kind == "kd":
            soft = F.kl_div(told, taught, reduction="batchmean", log_target=True)
        else:
            soft = _decoupled(told, taught, _true_class(target, taught), beta)
        return alpha * temperature**2 * soft + (1 - alpha) * labelled(logits, target, piece)

    return loss


def _alone(teacher: nn.Module) -> Answers:
    return lambda piece: [teacher(piece.images)]


def softened(answers: Sequence[Tensor], temperature: float) -> Tensor:
    """The logarithm of the mean of the answers' probabilities at a temperature, float[N, K]."""
    each = torch.stack([F.log_softmax(logits.float() / temperature, dim=1) for logits in answers])
    return torch.logsumexp(each, 0) - math.log(len(each))


def of_labelled(on_labels: Loss) -> Loss:
    """The mean of `on_labels` over the images that have a label; 0 where none has."""

    def loss(logits: Tensor, target: Tensor, piece: Piece) -> Tensor:
        share = target.sum(dim=1) if target.is_floating_point() else (target >= 0).float()
        known = share > 0
        if bool(known.all()) and not target.is_floating_point():
            return on_labels(logits, target, piece)
        if not bool(known.any()):
            return logits.sum() * 0
        kept = target[known]
        if target.is_floating_point():  # an image that was mixed with one without a label
            kept = kept / share[known, None]
        return on_labels(logits[known], kept, piece)

    return loss


def _true_class(target: Tensor, taught: Tensor) -> Tensor:
    """int64[N]: the larger share of a mixed image, and what the teacher says without a label."""
    said = taught.argmax(dim=1)
    if target.is_floating_point():
        return torch.where(target.sum(dim=1) > 0, target.argmax(dim=1), said)
    return torch.where(target >= 0, target, said)


def _decoupled(told: Tensor, taught: Tensor, true: Tensor, beta: float) -> Tensor:
    """told, taught: log-probabilities of student and teacher, float[N, K]."""
    is_true = F.one_hot(true, told.shape[1]).bool()

    def parts(log_shares: Tensor) -> tuple[Tensor, Tensor]:
        others = log_shares.masked_fill(is_true, -torch.inf)
        rest = torch.logsumexp(others, dim=1, keepdim=True)
        # Finite where it is masked: the product of 0 and infinity is no number.
        return (
            torch.cat([log_shares[is_true][:, None], rest], dim=1),
            (others - rest).masked_fill(is_true, 0.0),
        )

    told_true, told_others = parts(told)
    taught_true, taught_others = parts(taught)
    target_part = F.kl_div(told_true, taught_true, reduction="batchmean", log_target=True)
    gap = taught_others.exp() * (taught_others - told_others)
    return target_part + beta * gap.masked_fill(is_true, 0.0).sum() / len(told)
