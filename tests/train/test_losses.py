"""Losses against their formulas, computed by hand in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgecls.train import losses

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 3.0, 0.3]])
CLASSES = torch.tensor([0, 2])
IMAGES = torch.tensor([[1.0, 2.0], [-0.5, 0.7]])


def log_softmax(values: np.ndarray) -> np.ndarray:
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


def smoothed(smoothing: float) -> float:
    target = np.eye(3)[CLASSES.numpy()] * (1 - smoothing) + smoothing / 3
    return float(-(target * log_softmax(LOGITS.numpy())).sum(axis=1).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_with_smoothed_labels(smoothing):
    found = losses.cross_entropy(smoothing)(LOGITS, CLASSES, IMAGES).item()
    assert found == pytest.approx(smoothed(smoothing), rel=1e-6)


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 1.0), (4.0, 0.9), (2.0, 0.0)])
def test_distillation_is_hintons_formula(temperature, alpha):
    teacher = torch.nn.Linear(2, 3)
    loss = losses.distillation(teacher, temperature, alpha, losses.cross_entropy(0.1))
    found = loss(LOGITS, CLASSES, IMAGES).item()
    taught = log_softmax(teacher(IMAGES).detach().numpy() / temperature)
    told = log_softmax(LOGITS.numpy() / temperature)
    divergence = (np.exp(taught) * (taught - told)).sum(axis=1).mean()
    expected = alpha * temperature**2 * divergence + (1 - alpha) * smoothed(0.1)
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_teacher_gets_no_gradient():
    teacher = torch.nn.Linear(2, 3)
    logits = LOGITS.clone().requires_grad_(True)
    loss = losses.distillation(teacher, 4.0, 0.9, losses.cross_entropy(0.0))
    loss(logits, CLASSES, IMAGES).backward()
    assert logits.grad is not None and teacher.weight.grad is None


def test_a_student_that_answers_like_its_teacher_has_nothing_to_learn():
    teacher = torch.nn.Linear(2, 3)
    loss = losses.distillation(teacher, 4.0, 1.0, losses.cross_entropy(0.0))
    assert loss(teacher(IMAGES), CLASSES, IMAGES).item() == pytest.approx(0, abs=1e-6)
