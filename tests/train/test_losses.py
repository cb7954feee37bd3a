"""Losses against their formulas, computed by hand in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgecls.core import Dataset
from edgecls.device.preprocess import Preprocess
from edgecls.train import losses
from edgecls.train.options import FitOptions

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 3.0, 0.3]])
CLASSES = torch.tensor([0, 2])
IMAGES = torch.tensor([[1.0, 2.0], [-0.5, 0.7]])
PIECE = losses.Piece(IMAGES)


def log_softmax(values: np.ndarray) -> np.ndarray:
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


def smoothed(smoothing: float) -> float:
    target = np.eye(3)[CLASSES.numpy()] * (1 - smoothing) + smoothing / 3
    return float(-(target * log_softmax(LOGITS.numpy())).sum(axis=1).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_with_smoothed_labels(smoothing):
    found = losses.cross_entropy(smoothing)(LOGITS, CLASSES, PIECE).item()
    assert found == pytest.approx(smoothed(smoothing), rel=1e-6)


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 1.0), (4.0, 0.9), (2.0, 0.0)])
def test_distillation_is_hintons_formula(temperature, alpha):
    teacher = torch.nn.Linear(2, 3)
    loss = losses.distillation(teacher, temperature, alpha, losses.cross_entropy(0.1))
    found = loss(LOGITS, CLASSES, PIECE).item()
    taught = log_softmax(teacher(IMAGES).detach().numpy() / temperature)
    told = log_softmax(LOGITS.numpy() / temperature)
    divergence = (np.exp(taught) * (taught - told)).sum(axis=1).mean()
    expected = alpha * temperature**2 * divergence + (1 - alpha) * smoothed(0.1)
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_teacher_gets_no_gradient():
    teacher = torch.nn.Linear(2, 3)
    logits = LOGITS.clone().requires_grad_(True)
    loss = losses.distillation(teacher, 4.0, 0.9, losses.cross_entropy(0.0))
    loss(logits, CLASSES, PIECE).backward()
    assert logits.grad is not None and teacher.weight.grad is None


def test_a_student_that_answers_like_its_teacher_has_nothing_to_learn():
    teacher = torch.nn.Linear(2, 3)
    loss = losses.distillation(teacher, 4.0, 1.0, losses.cross_entropy(0.0))
    assert loss(teacher(IMAGES), CLASSES, PIECE).item() == pytest.approx(0, abs=1e-6)


def test_cross_entropy_takes_shares_of_classes():
    shares = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.5, 0.5]])
    target = shares.numpy() * 0.9 + 0.1 / 3
    expected = -(target * log_softmax(LOGITS.numpy())).sum(axis=1).mean()
    found = losses.cross_entropy(0.1)(LOGITS, shares, PIECE).item()
    assert found == pytest.approx(float(expected), rel=1e-6)


def test_shares_of_one_class_are_that_class():
    loss = losses.cross_entropy(0.1)
    whole = torch.nn.functional.one_hot(CLASSES, 3).float()
    assert loss(LOGITS, whole, PIECE).item() == pytest.approx(loss(LOGITS, CLASSES, PIECE).item())


def test_weights_of_classes_count_images():
    weights = torch.tensor([1.0, 5.0, 3.0])
    each = -log_softmax(LOGITS.numpy())[[0, 1], CLASSES.numpy()]
    expected = (1.0 * each[0] + 3.0 * each[1]) / 4
    found = losses.cross_entropy(0.0, weights)(LOGITS, CLASSES, PIECE).item()
    assert found == pytest.approx(float(expected), rel=1e-6)


def test_balanced_weights_even_out_the_classes():
    classes = np.array([0] * 6 + [1] * 3 + [2])
    weights = losses.balanced(classes, 3)
    assert torch.allclose(weights * torch.tensor([6.0, 3.0, 1.0]), torch.tensor(10 / 3))
    assert weights[classes].mean().item() == pytest.approx(1)
    assert weights.dtype == torch.float32


def test_a_class_without_images_has_a_finite_weight():
    weights = losses.balanced(np.array([0, 0, 2]), 4)
    assert torch.isfinite(weights).all() and weights[[0, 2]].tolist() == [0.75, 1.5]


@pytest.mark.parametrize(("chosen", "weights"), [("none", (1, 1, 1)), ("balanced", (0.5, 1, 2))])
def test_the_loss_on_labels_is_what_the_options_ask_for(chosen, weights):
    classes = np.array([0, 0, 0, 0, 1, 1, 2])
    data = Dataset(("a", "b", "c"), Preprocess((2, 2)), {"train": (np.empty(7), classes)}, "")
    loss = losses.hard(FitOptions(label_smoothing=0, class_weights=chosen), data)
    each = -log_softmax(LOGITS.numpy())[[0, 1], CLASSES.numpy()]
    expected = np.average(each, weights=[weights[c] for c in CLASSES.tolist()])
    assert loss(LOGITS, CLASSES, PIECE).item() == pytest.approx(expected, rel=1e-6)
    smooth = losses.hard(FitOptions(label_smoothing=0.1), data)
    assert smooth(LOGITS, CLASSES, PIECE).item() == pytest.approx(smoothed(0.1), rel=1e-6)


def one_teacher(logits: torch.Tensor) -> losses.Answers:
    return lambda piece: [logits]


TAUGHT = torch.tensor([[1.0, 2.5, -0.5], [0.2, 0.1, 2.0]])


def test_decoupled_distillation_is_its_formula():
    """Zhao et al. 2022, equation 7, by hand."""
    temperature, beta = 2.0, 3.0
    loss = losses.distillation(
        one_teacher(TAUGHT), temperature, 1.0, losses.cross_entropy(0.0), "dkd", beta
    )
    expected = 0.0
    for row, true in enumerate(CLASSES.tolist()):
        pair = (TAUGHT[row], LOGITS[row])
        p, q = (np.exp(log_softmax(t.numpy()[None] / temperature))[0] for t in pair)
        b_p, b_q = np.array([p[true], 1 - p[true]]), np.array([q[true], 1 - q[true]])
        others = [k for k in range(3) if k != true]
        o_p, o_q = p[others] / p[others].sum(), q[others] / q[others].sum()
        expected += (b_p * np.log(b_p / b_q)).sum() + beta * (o_p * np.log(o_p / o_q)).sum()
    found = loss(LOGITS, CLASSES, PIECE).item()
    assert found == pytest.approx(temperature**2 * expected / 2, rel=1e-5)


def test_decoupled_gradients_are_finite_for_certain_teachers():
    certain = torch.tensor([[200.0, 0.0, 0.0], [0.0, 0.0, 300.0]])
    logits = LOGITS.clone().requires_grad_(True)
    loss = losses.distillation(
        one_teacher(certain), 1.0, 0.9, losses.cross_entropy(0.0), "dkd", 8.0
    )
    loss(logits, CLASSES, PIECE).backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_an_ensemble_is_the_mean_of_its_probabilities():
    softened = losses.softened([LOGITS, TAUGHT], 2.0).exp()
    expected = (torch.softmax(LOGITS / 2, 1) + torch.softmax(TAUGHT / 2, 1)) / 2
    assert torch.allclose(softened, expected)


@pytest.mark.parametrize("kind", ["kd", "dkd"])
def test_an_image_without_a_label_learns_from_the_teacher_alone(kind):
    labelled = losses.cross_entropy(0.1)
    loss = losses.distillation(one_teacher(TAUGHT), 2.0, 0.6, labelled, kind)
    nameless = losses.distillation(one_teacher(TAUGHT), 2.0, 1.0, labelled, kind)
    none = torch.tensor([-1, -1])
    found = loss(LOGITS, none, PIECE)
    assert found.item() == pytest.approx(0.6 * nameless(LOGITS, none, PIECE).item())
    half = torch.tensor([0, -1])
    first = labelled(LOGITS[:1], CLASSES[:1], PIECE).item()
    assert losses.of_labelled(labelled)(LOGITS, half, PIECE).item() == pytest.approx(first)


def test_a_label_mixed_with_none_counts_as_the_whole_label():
    mixed = torch.tensor([[0.7, 0.0, 0.0], [0.0, 0.0, 0.0]])
    only = losses.cross_entropy(0.0)
    found = losses.of_labelled(only)(LOGITS, mixed, PIECE).item()
    assert found == pytest.approx(only(LOGITS[:1], CLASSES[:1], PIECE).item())
