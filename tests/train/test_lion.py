"""Lion against algorithm 2 of its paper, by hand."""

from __future__ import annotations

import pytest
import torch

from edgecls.train.lion import Lion

LR, BETA1, BETA2, DECAY = 0.1, 0.6, 0.8, 0.5
GRADIENTS = [[1.0, -2.0, 0.0], [-0.1, 3.0, 0.0], [-4.0, 0.5, 1e-3], [0.2, -0.2, -5.0]]


def test_a_step_is_the_sign_of_the_interpolated_momentum():
    parameter = torch.nn.Parameter(torch.tensor([1.0, -1.0, 2.0]))
    optimizer = Lion([parameter], lr=LR, betas=(BETA1, BETA2), weight_decay=DECAY)
    value, momentum = [1.0, -1.0, 2.0], [0.0, 0.0, 0.0]
    for gradient in GRADIENTS:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        for i, g in enumerate(gradient):
            direction = BETA1 * momentum[i] + (1 - BETA1) * g
            sign = (direction > 0) - (direction < 0)
            value[i] -= LR * (sign + DECAY * value[i])
            momentum[i] = BETA2 * momentum[i] + (1 - BETA2) * g
        assert parameter.tolist() == pytest.approx(value, rel=1e-5)
    assert optimizer.state[parameter]["momentum"].tolist() == pytest.approx(momentum, rel=1e-5)


def test_a_parameter_without_a_gradient_is_left_alone():
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = Lion([parameter], lr=1.0, weight_decay=0.5)
    optimizer.step()
    assert parameter.tolist() == [1, 1] and not optimizer.state


def test_the_gradient_is_not_changed():
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([0.5, -3.0])
    Lion([parameter], lr=1.0).step()
    assert parameter.grad.tolist() == [0.5, -3.0]


def test_the_state_goes_on_after_a_save():
    def made() -> tuple[torch.nn.Parameter, Lion]:
        parameter = torch.nn.Parameter(torch.tensor([1.0, -1.0, 2.0]))
        return parameter, Lion([parameter], lr=LR, betas=(BETA1, BETA2))

    whole, optimizer = made()
    half, first = made()
    for gradient in GRADIENTS:
        whole.grad = torch.tensor(gradient)
        optimizer.step()
    for gradient in GRADIENTS[:2]:
        half.grad = torch.tensor(gradient)
        first.step()
    again, second = made()
    with torch.no_grad():
        again.copy_(half)
    second.load_state_dict(first.state_dict())
    for gradient in GRADIENTS[2:]:
        again.grad = torch.tensor(gradient)
        second.step()
    assert torch.equal(again, whole)


def test_a_closure_is_evaluated_with_gradients():
    parameter = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = Lion([parameter], lr=0.5)

    def closure() -> float:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 4.0
    assert parameter.tolist() == [1.5]
