"""What training for int8 does beside `fit`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgecls.core import Dataset
from edgecls.models import zoo
from edgecls.models.normalise import Normalise
from edgecls.models.quantized import trace
from edgecls.train import qat


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return trace.prepared(zoo.build("lenet5", 10, 1, (32, 32)), (1, 32, 32), reduce_range=False)


def test_first_steps_fit_the_images(net: nn.Module, tiny_data: Dataset) -> None:
    normalise = Normalise(tiny_data.preprocess)
    qat.choose_steps(net, normalise, tiny_data["calibration"][0])
    image = next(trace.fakes(net))
    images = np.asarray(tiny_data["calibration"][0]).astype(np.float32)
    largest = float(np.abs((images / 255 - 0.5) / 0.25).max())
    assert 0.5 * largest <= 127 * float(image.step.detach()) <= 1.01 * largest
    assert not any(fake.watching for fake in trace.fakes(net))


def test_batchnorm_and_steps_freeze_late(net: nn.Module, tiny_data: Dataset) -> None:
    normalise = Normalise(tiny_data.preprocess)
    qat.choose_steps(net, normalise, tiny_data["calibration"][0])
    hook = qat.Freezing(0.5, 0.75, normalise, qat.spread(tiny_data["train"][0], 0))
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    told = []
    for epoch in range(1, 5):
        net.train()
        hook.begin_epoch(net, epoch, 4)
        net(torch.randn(4, 1, 32, 32)).sum().backward()
        hook.after_backward(net)
        learns = all(fake.step.grad is not None for fake in trace.fakes(net))
        told.append((all(norm.training for norm in norms), learns))
    assert told == [(True, True), (True, True), (False, True), (False, False)]


def test_what_batchnorm_keeps_are_the_statistics_of_the_images_as_they_are(
    net: nn.Module, tiny_data: Dataset
) -> None:
    """Whatever the last batches were."""
    normalise = Normalise(tiny_data.preprocess)
    qat.choose_steps(net, normalise, tiny_data["calibration"][0])
    some = qat.spread(tiny_data["train"][0], 0)
    hook = qat.Freezing(0.5, 1.0, normalise, some)
    norm = next(m for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    kept = []
    for scale in (1.0, 9.0):
        net.train()
        net(scale * torch.randn(16, 1, 32, 32))
        before = norm.running_var.clone()
        hook.begin_epoch(net, 2, 4)
        assert torch.equal(norm.running_var, before)  # not yet
        hook.begin_epoch(net, 3, 4)
        kept.append(norm.running_var.clone())
    assert torch.equal(kept[0], kept[1]) and not torch.equal(kept[0], before)
    hook.begin_epoch(net, 4, 4)
    assert torch.equal(norm.running_var, kept[1])  # once, so that a restarted training has the same


def test_a_restarted_training_freezes_as_the_first_would(
    net: nn.Module, tiny_data: Dataset
) -> None:
    normalise = Normalise(tiny_data.preprocess)
    hook = qat.Freezing(0.0, 1.0, normalise, tiny_data["train"][0])
    net.train()
    hook.begin_epoch(net, 3, 4)
    assert not any(m.training for m in net.modules() if isinstance(m, nn.BatchNorm2d))
