"""The net that a training begins with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgecls.core import Context, Dataset
from edgecls.device.preprocess import Preprocess
from edgecls.errors import UsageError
from edgecls.models.normalise import Normalise
from edgecls.train import start
from edgecls.train.fit import to_batch
from edgecls.train.options import FitOptions


@pytest.fixture
def context(tmp_path):
    """A context with images of smooth noise in those many channels."""

    def make(channels: int = 3, count: int = 40, side: int = 16, seed: int = 0) -> Context:
        preprocess = Preprocess(
            (side, side),
            mode="L" if channels == 1 else "RGB",
            mean=(0.5, 0.4, 0.3)[:channels],
            std=(0.25, 0.2, 0.3)[:channels],
        )
        generator = torch.Generator().manual_seed(0)
        coarse = torch.rand(count, channels, 6, 6, generator=generator)
        images = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
        images = (images * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
        splits = {"train": (images, np.arange(count) % 2)}
        return Context(Dataset(("a", "b"), preprocess, splits, ""), seed, tmp_path)

    return make


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_layer_of_a_net_that_asks_for_images_gets_the_training_split(channels, context):
    made = context(channels)
    torch.manual_seed(0)
    net = start.fresh("airbench94", FitOptions(), made)
    images = Normalise(made.data.preprocess)(to_batch(made.data["train"][0]))
    with torch.no_grad():
        patches = net.whiten(images).movedim(1, -1).flatten(0, -2)[:, : 4 * channels].double()
    second_moment = patches.T @ patches / len(patches)
    off = second_moment - torch.diag(second_moment.diagonal())
    assert off.abs().max() < 1e-3
    assert second_moment.diagonal().max() < 1.001


def test_other_nets_are_those_of_the_zoo(context):
    def weights(arch: str) -> dict[str, torch.Tensor]:
        torch.manual_seed(4)
        return start.fresh(arch, FitOptions(), context()).state_dict()

    one, other = weights("resnet8"), weights("resnet8")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_start_is_the_same_for_the_same_seed(context, monkeypatch):
    def filters(seed: int) -> torch.Tensor:
        torch.manual_seed(0)
        return start.fresh("airbench94", FitOptions(), context(seed=seed)).whiten.weight.detach()

    monkeypatch.setattr(start, "IMAGES", 10)  # of 40, so that the draw shows
    assert torch.equal(filters(1), filters(1))
    assert not torch.equal(filters(1), filters(2))


def test_no_more_images_are_read_than_are_needed(context, monkeypatch):
    monkeypatch.setattr(start, "IMAGES", 10)
    made, read = context(), []
    images = made.data["train"][0]

    class Counted:
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, key):
            read.extend(np.arange(len(images))[key].tolist())
            return images[key]

    data = Dataset(("a", "b"), made.data.preprocess, {"train": (Counted(), None)}, "")
    start.fresh("airbench94", FitOptions(), Context(data, 0, made.workdir))
    assert len(read) == 10 and read == sorted(read)


def test_dropout_and_stochastic_depth_reach_the_net(context):
    net = start.fresh("mobilenet_v3_small_32", FitOptions(dropout=0.35), context(side=32))
    assert [m.p for m in net.modules() if isinstance(m, torch.nn.Dropout)] == [0.35]
    with pytest.raises(UsageError, match="has no stochastic_depth"):
        start.fresh("lenet5", FitOptions(stochastic_depth=0.1), context(side=32))


def momenta(net: torch.nn.Module) -> set[float]:
    norms = (m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    return {round(norm.momentum, 6) for norm in norms}


@pytest.mark.parametrize(
    ("arch", "epochs", "expected"),
    [
        ("mobilenet_v3_small_32", 1, 0.1),  # its own is 0.01
        ("mobilenet_v3_small_32", 400, 0.05),
        ("mobilenet_v3_small_32", 100_000, 0.01),
        ("resnet8", 100_000, 0.1),
    ],
)
def test_batchnorms_memory_is_short_beside_the_training(context, arch, epochs, expected):
    """Statistics that remember longer than the training lasts are those of the start."""
    options = FitOptions(epochs=epochs, batch_size=8)
    assert momenta(start.fresh(arch, options, context())) == {expected}
