"""The state of a training: what is best, and that a file of it is whole or not there."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from edgecls.train import optimizers
from edgecls.train.averaging import Average
from edgecls.train.options import FitOptions
from edgecls.train.state import Progressed, Stores
from edgecls.world import World

ALONE = World()


def stores(path, seed: int = 0, **options) -> Stores:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    chosen = FitOptions(averaging="ema", **options)
    return Stores(path, net, optimizers.build(net, chosen, ()), Average(net, "ema", 0.9))


def train(made: Stores, steps: int) -> None:
    optimizers.set_rates(made.optimizer, 0.01, 1)
    for step in range(steps):
        made.optimizer.zero_grad()
        images = torch.randn(4, 2, generator=torch.Generator().manual_seed(step))
        made.net(images)[:, 0].square().sum().backward()
        made.optimizer.step()
        made.average.update(step + 1, steps)


def tensors(made: Stores) -> dict[str, torch.Tensor]:
    moments = {
        f"{i}.{name}": value
        for i, state in made.optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
    averages = {f"average.{name}": tensor for name, tensor in made.average.tensors.items()}
    return {**made.net.state_dict(), **moments, **averages}


def test_of_equal_accuracies_the_lower_loss_is_kept():
    state, net = Progressed(), torch.nn.Linear(1, 1)
    for epoch, (top1, loss) in enumerate([(0.5, 2.0), (0.5, 1.0), (0.5, 1.5), (0.4, 0.1)], 1):
        torch.nn.init.constant_(net.weight, epoch)
        state.keep_best(net, epoch, top1, loss)
    assert (state.best_epoch, state.best_score) == (2, (0.5, -1.0))
    assert state.best["weight"].item() == 2.0  # a copy: the net has gone on


def test_the_first_validation_is_the_best_even_of_none_right():
    state = Progressed()
    state.keep_best(torch.nn.Linear(1, 1), 1, 0.0, 99.0)
    assert state.best_epoch == 1 and state.best


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "lion"])
def test_all_that_a_training_needs_comes_back(tmp_path, optimizer):
    made = stores(tmp_path / "epoch.pt", optimizer=optimizer)
    train(made, 3)
    state = Progressed(epoch=3, curves=[{"epoch": 1, "val_loss": 0.25}])
    state.keep_best(made.net, 2, 0.5, 0.25)
    made.save(state, ALONE)
    other = stores(tmp_path / "epoch.pt", seed=1, optimizer=optimizer)
    found = other.restore(ALONE)
    assert found.best.keys() == state.best.keys()
    assert all(torch.equal(found.best[name], t) for name, t in state.best.items())
    assert dataclasses.replace(found, best={}) == dataclasses.replace(state, best={})
    one, two = tensors(made), tensors(other)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_without_a_file_one_begins(tmp_path):
    made = stores(tmp_path / "epoch.pt")
    before = {name: t.clone() for name, t in tensors(made).items()}
    assert made.restore(ALONE) == Progressed()
    assert all(torch.equal(before[name], t) for name, t in tensors(made).items())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_was_cut_is_none(tmp_path, share):
    made = stores(tmp_path / "epoch.pt")
    made.save(Progressed(epoch=3), ALONE)
    data = made.path.read_bytes()
    made.path.write_bytes(data[: int(len(data) * share)])
    assert made.restore(ALONE) == Progressed()


def test_a_save_that_fails_leaves_the_last_one(tmp_path, monkeypatch):
    made = stores(tmp_path / "epoch.pt")
    made.save(Progressed(epoch=1), ALONE)

    def half(content, path):
        path.write_bytes(b"half of it")
        raise OSError("the disk is full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="full"):
        made.save(Progressed(epoch=2), ALONE)
    assert made.restore(ALONE).epoch == 1


def test_only_the_first_process_writes(tmp_path):
    made = stores(tmp_path / "epoch.pt")
    made.save(Progressed(epoch=1), World(rank=1, size=2))
    assert not list(tmp_path.iterdir())


def test_the_state_of_another_net_raises(tmp_path):
    made = stores(tmp_path / "epoch.pt")
    made.save(Progressed(epoch=1), ALONE)
    net = torch.nn.Linear(5, 5)
    optimizer = optimizers.build(net, FitOptions(), ())
    other = Stores(made.path, net, optimizer, Average(net, "none", 0.9))
    with pytest.raises(RuntimeError, match="Error"):
        other.restore(ALONE)
