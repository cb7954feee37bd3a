"""TensorBoard's files hold the epochs, once, also of a training that went on."""

from __future__ import annotations

import sys
import warnings

import pytest

from edgecls.errors import MissingDependency
from edgecls.train.board import board


def scalars(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        found = EventAccumulator(str(folder))
        found.Reload()
    return {
        name: [(e.step, e.value) for e in found.Scalars(name)] for name in found.Tags()["scalars"]
    }


@pytest.fixture(autouse=True)
def installed():
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")


def test_every_figure_of_every_epoch_is_written(tmp_path):
    log = board(tmp_path / "events")
    log({"epoch": 1, "val_top1": 0.5, "lr": 0.25})
    log({"epoch": 2, "val_top1": 0.75, "lr": 0.125})
    assert scalars(tmp_path / "events") == {
        "val_top1": [(1, 0.5), (2, 0.75)],
        "lr": [(1, 0.25), (2, 0.125)],
    }


def test_a_training_that_goes_on_replaces_its_earlier_epochs(tmp_path):
    board(tmp_path)({"epoch": 1, "val_top1": 0.5})
    again = board(tmp_path)
    again({"epoch": 1, "val_top1": 0.5})
    again({"epoch": 2, "val_top1": 0.75})
    assert scalars(tmp_path)["val_top1"] == [(1, 0.5), (2, 0.75)]


def test_without_tensorboard_the_extra_is_named(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if "tensorboard" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingDependency) as caught:
        board(tmp_path)
    assert "edgecls[tensorboard]" in caught.value.fix
