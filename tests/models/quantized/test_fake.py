"""Rounding of activations: values, gradients, and the choice of the first step."""

from __future__ import annotations

import pytest
import torch

from edgecls.models.quantized.fake import HIGH, LOW, Clamp, FakeQuantize


def _fake(step: float, clamp: Clamp = "none") -> FakeQuantize:
    fake = FakeQuantize(clamp)
    with torch.no_grad():
        fake.step.fill_(step)
    return fake


def test_values_are_whole_steps_within_the_range_of_int8() -> None:
    x = torch.linspace(-30, 30, 1001)
    rounded = _fake(0.1)(x)
    integers = rounded / 0.1
    assert torch.allclose(integers, integers.round(), atol=1e-4)
    assert integers.min().round() == LOW
    assert integers.max().round() == HIGH


@pytest.mark.parametrize("clamp", ["relu", "relu6"])
def test_a_clamp_in_the_rounding_is_the_clamp_before_it(clamp: Clamp) -> None:
    x = torch.randn(5000) * 4
    before = x.relu() if clamp == "relu" else x.clamp(0, 6)
    assert torch.equal(_fake(0.04, clamp)(x), _fake(0.04)(before))


def test_a_relu6_never_reaches_beyond_6() -> None:
    fake = _fake(1.0, "relu6")
    assert float(fake(torch.tensor([100.0])).detach()) == pytest.approx(6.0)


def test_gradients_pass_within_the_range_alone() -> None:
    x = torch.tensor([-1.0, 0.3, 5.0, 20.0], requires_grad=True)
    _fake(0.1, "relu")(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 0]


def test_the_step_learns_what_its_change_does() -> None:
    """Beyond the range the value is a number of steps, so there the gradient is exact."""
    fake = _fake(0.1)
    x = torch.full((4, 3), 100.0)
    (fake(x) * 2).sum().backward()
    assert fake.step.grad is not None
    share = (HIGH * 3) ** -0.5
    assert float(fake.step.grad) == pytest.approx(2 * HIGH * 12 * share, rel=1e-5)


def test_gradients_do_not_depend_on_the_memory_format() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    steps = []
    for form in (torch.contiguous_format, torch.channels_last):
        fake = _fake(0.02)
        (fake(x.contiguous(memory_format=form)) * weight).sum().backward()
        assert fake.step.grad is not None
        steps.append(float(fake.step.grad))
    assert steps[0] == pytest.approx(steps[1], rel=1e-4)


def test_the_first_step_errs_less_than_that_of_the_largest_value() -> None:
    torch.manual_seed(0)
    x = torch.randn(20_000) ** 3  # few values are large
    largest = float(x.abs().max())
    fake = FakeQuantize()
    fake.watching = True
    assert torch.equal(fake(x), x)
    fake.settle()
    assert float(fake.step.detach()) < 0.97 * largest / HIGH

    def error(rounding: FakeQuantize) -> float:
        with torch.no_grad():
            return float((rounding(x) - x).square().mean())

    assert error(fake) < error(_fake(largest / HIGH))


def test_a_tensor_of_zeros_has_a_step() -> None:
    fake = FakeQuantize()
    fake.watching = True
    fake(torch.zeros(10))
    fake.settle()
    with torch.no_grad():
        assert torch.equal(fake(torch.zeros(3)), torch.zeros(3))
