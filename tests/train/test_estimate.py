"""The estimate of a training's time: steps of the sizes that are trained, and their number."""

from __future__ import annotations

import pytest

from edgecls.core import Workload
from edgecls.train import estimate
from edgecls.train.options import FitOptions


@pytest.mark.parametrize("num_images", [3, 37, 1000])
def test_every_number_of_images_has_an_estimate(num_images, tiny_data):
    work = Workload(num_images, 10, tiny_data.preprocess, threads=1)
    assert estimate.training_seconds("lenet5", FitOptions(epochs=1), work, "lenet5") > 0


@pytest.fixture
def timed(monkeypatch):
    """What would be timed: (batch, whether backward); every step takes a second."""
    seen = []

    def second(net, batch, precision, backward):
        seen.append((len(batch), backward))
        return 1.0

    monkeypatch.setattr(estimate, "_timed", second)
    return seen


def test_the_estimate_times_even_batches(tiny_data, timed):
    for num_images in (1, 3, 37, 1000):
        work = Workload(num_images, 10, tiny_data.preprocess, threads=1)
        estimate.training_seconds("lenet5", FitOptions(batch_size=64), work)
    assert timed == [(2, True), (2, True), (36, True), (64, True)]


def test_the_estimate_grows_with_epochs_and_images(tiny_data, timed):
    def seconds(num_images: int, epochs: int, *teachers: str, taught: float = 1.0) -> float:
        work = Workload(num_images, 10, tiny_data.preprocess, threads=1)
        options = FitOptions(epochs=epochs)
        return estimate.training_seconds("lenet5", options, work, *teachers, taught=taught)

    one = seconds(640, 1)
    assert one == pytest.approx(10 * estimate.OVERHEAD)
    assert seconds(640, 7) == pytest.approx(7 * one)
    assert seconds(6400, 1) == pytest.approx(10 * one)
    assert seconds(640, 1, "lenet5") == pytest.approx(2 * one)
    assert timed[-1] == (64, False)  # a teacher only answers
    assert seconds(640, 1, "lenet5", "lenet5") == pytest.approx(3 * one)
    assert seconds(640, 8, "lenet5", taught=0.25) == pytest.approx(8 * 1.25 * one)


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16", "fp16"])
def test_every_precision_can_be_timed_here(precision, tiny_data):
    work = Workload(4, 10, tiny_data.preprocess, threads=1)
    assert estimate.training_seconds("lenet5", FitOptions(precision=precision), work) > 0
