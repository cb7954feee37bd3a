"""A short training of a tiny net, to be repeated and interrupted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from edgecls.core import Context, Dataset, Progress, SilentProgress, unlogged
from edgecls.data import prepared
from edgecls.methods.train import METHOD
from edgecls.models import zoo
from edgecls.train import fit, losses
from edgecls.train.hooks import Hook
from edgecls.train.losses import Loss
from edgecls.train.parts import Part

Train = Callable[..., tuple[torch.nn.Module, list[dict[str, float]]]]


@pytest.fixture
def train(tiny_data: Dataset, tmp_path: Path) -> Train:
    """Train lenet5 in a work folder of that name; returns the net and its curves.

    In fp32, so that a result does not depend on whether this machine has bf16.
    """

    def run(
        work: str = "work",
        seed: int = 0,
        progress: Progress | None = None,
        data: Dataset = tiny_data,
        make: Callable[[], torch.nn.Module] = lambda: zoo.build("lenet5", 10, 1, (32, 32)),
        loss: Loss | None = None,
        parts: Sequence[Part] = (),
        frozen_norms: bool = False,
        hook: Hook | None = None,
        log: Callable[[Mapping[str, float]], None] = unlogged,
        **options: object,
    ) -> tuple[torch.nn.Module, list[dict[str, float]]]:
        (tmp_path / work).mkdir(exist_ok=True)
        chosen = METHOD.Options(**{"epochs": 3, "batch_size": 16, "precision": "fp32", **options})
        fit.set_up(1, seed)
        net = make()
        context = Context(
            data, seed, tmp_path / work, progress or SilentProgress(), threads=1, log=log
        )
        curves = fit.fit(
            net, loss or losses.hard(chosen, data), chosen, context, parts, frozen_norms, hook
        )
        return net, curves

    return run


@pytest.fixture(scope="session")
def prepared_folder(tiny_data: Dataset) -> Path:
    """The folder that `tiny_data` was loaded from, for processes that load it themselves."""
    array = tiny_data["train"][0]
    while not isinstance(array, np.memmap):
        array = array.base
    folder = Path(array.filename).parent
    assert (folder / prepared.NAME).is_file()
    return folder
