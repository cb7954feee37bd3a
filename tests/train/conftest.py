"""A short training of a tiny net, to be repeated and interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgecls.core import Context, Dataset, Progress, SilentProgress
from edgecls.methods.train import METHOD
from edgecls.models import zoo
from edgecls.train import fit, losses

Train = Callable[..., tuple[torch.nn.Module, list[dict[str, float]]]]


@pytest.fixture
def train(tiny_data: Dataset, tmp_path: Path) -> Train:
    """Train lenet5 in a work folder of that name; returns the net and its curves."""

    def run(
        work: str = "work",
        seed: int = 0,
        progress: Progress | None = None,
        data: Dataset = tiny_data,
        **options: object,
    ) -> tuple[torch.nn.Module, list[dict[str, float]]]:
        (tmp_path / work).mkdir(exist_ok=True)
        chosen = METHOD.Options(**{"epochs": 3, "batch_size": 16, **options})
        fit.set_up(1, seed)
        net = zoo.build("lenet5", 10, 1, (32, 32))
        context = Context(data, seed, tmp_path / work, progress or SilentProgress())
        curves = fit.fit(net, losses.cross_entropy(chosen.label_smoothing), chosen, context)
        return net, curves

    return run
