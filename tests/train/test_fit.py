"""Training: the same seed gives the same bits, whether or not it was interrupted."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgecls.core import Dataset
from edgecls.data import prepared
from edgecls.errors import EdgeclsError
from edgecls.models import zoo
from edgecls.models.normalise import Normalise
from edgecls.train import estimate, fit
from edgecls.train.options import FitOptions


class Stop(Exception):
    """An interruption."""


class StopIn:
    """A Progress that raises in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.steps = epoch, 0

    def step(self, done: int, total: int, note: str = "") -> None:
        self.steps += note.startswith(f"epoch {self.epoch}/")
        if self.steps == 2:
            raise Stop


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Bit for bit, buffers too."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def without_time(curves: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in curves]


def test_the_same_seed_gives_the_same_weights(train):
    one, one_curves = train("one")
    other, other_curves = train("other")
    assert equal(one, other)
    assert without_time(one_curves) == without_time(other_curves)
    assert not equal(one, train("third", seed=1)[0])


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_training_that_was_interrupted_ends_with_the_same_weights(train, epoch):
    whole, curves = train("whole")
    with pytest.raises(Stop):
        train("broken", progress=StopIn(epoch))
    resumed, again = train("broken")
    assert equal(resumed, whole)
    assert without_time(again) == without_time(curves)


def test_a_training_that_was_killed_ends_with_the_same_weights(train, tiny_data, tmp_path):
    whole, curves = train("whole")
    folder = prepared_folder(tiny_data, tmp_path)
    (tmp_path / "killed").mkdir()
    script = """
import os, pathlib, signal, sys
from edgecls.core import Context
from edgecls.data import load
from edgecls.methods.train import METHOD
from edgecls.models import zoo
from edgecls.train import fit, losses

class Kill:
    def step(self, done, total, note=""):
        if note.startswith("epoch 3/"):
            os.kill(os.getpid(), signal.SIGKILL)

options = METHOD.Options(epochs=3, batch_size=16)
fit.set_up(1, 0)
net = zoo.build("lenet5", 10, 1, (32, 32))
context = Context(load(pathlib.Path(sys.argv[1])), 0, pathlib.Path(sys.argv[2]), Kill())
fit.fit(net, losses.cross_entropy(options.label_smoothing), options, context)
"""
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "killed")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    resumed, again = train("killed")
    assert equal(resumed, whole)
    assert without_time(again) == without_time(curves)


def prepared_folder(data: Dataset, tmp_path: Path) -> Path:
    """The folder that `data` was loaded from: its arrays are mapped."""
    array = data["train"][0]
    while not isinstance(array, np.memmap):
        array = array.base
    folder = Path(array.filename).parent
    assert (folder / prepared.NAME).is_file()
    return folder


def test_a_finished_training_is_not_trained_again(train):
    first, _ = train("work")
    again, _ = train("work", progress=StopIn(1))
    assert equal(first, again)


def test_a_state_that_a_power_cut_spoiled_is_begun_anew(train, tmp_path):
    whole, _ = train("whole")
    (tmp_path / "spoiled").mkdir()
    state = (tmp_path / "whole" / fit.EPOCH_STATE).read_bytes()
    (tmp_path / "spoiled" / fit.EPOCH_STATE).write_bytes(state[: len(state) // 2])
    assert equal(train("spoiled")[0], whole)


def test_a_training_that_diverges_says_so(train):
    with pytest.raises(EdgeclsError, match="diverged in epoch") as caught:
        train(lr=1e12, warmup=0.0, epochs=8)
    assert "lower lr" in caught.value.fix


def worse_after(epoch: int, monkeypatch) -> None:
    """Let validation say that every later epoch is worse."""
    seen = []

    def score(logits, classes):
        seen.append(len(seen) + 1)
        return 1.0, 0.5 if seen[-1] <= epoch - 1 else 0.9 - 0.1 * (seen[-1] - epoch)

    monkeypatch.setattr(fit, "_score", score)


def test_patience_stops_and_the_best_weights_are_kept(train, monkeypatch):
    unpatient, _ = train("short", epochs=6, patience=0, progress=None)
    worse_after(2, monkeypatch)
    net, curves = train("patient", epochs=6, patience=2)
    assert [row["epoch"] for row in curves] == [1, 2, 3, 4]  # the best was the second
    worse_after(2, monkeypatch)
    best_of_all, all_curves = train("long", epochs=6)
    assert len(all_curves) == 6
    assert equal(net, best_of_all) and not equal(net, unpatient)


def test_a_training_out_of_patience_stays_so_after_an_interruption(train, monkeypatch):
    worse_after(1, monkeypatch)
    _, curves = train("work", epochs=6, patience=1)
    _, again = train("work", epochs=6, patience=1, progress=StopIn(3))
    assert len(again) == len(curves) == 2


def test_of_equal_accuracies_the_lower_loss_is_kept():
    state, net = fit.Progressed(), torch.nn.Linear(1, 1)
    for epoch, (top1, loss) in enumerate([(0.5, 2.0), (0.5, 1.0), (0.5, 1.5), (0.4, 0.1)], 1):
        fit._keep_best(state, net, epoch, top1, loss)
    assert (state.best_epoch, state.best_score) == (2, (0.5, -1.0))


def test_the_curves_hold_what_the_report_draws(train):
    net, curves = train()
    assert not net.training
    assert [row["epoch"] for row in curves] == [1, 2, 3]
    assert set(curves[0]) == {"epoch", "lr", "train_loss", "val_loss", "val_top1", "seconds"}
    assert curves[-1]["train_loss"] < curves[0]["train_loss"]


def test_the_learning_rate_warms_up_and_follows_half_a_cosine():
    options = FitOptions(lr=0.4, batch_size=64, warmup=0.2)
    rates = [fit.learning_rate(options, step, 10) for step in range(10)]
    peak = 0.4 * 64 / 256
    assert rates[:3] == pytest.approx([peak / 2, peak, peak])
    assert rates[6] == pytest.approx(peak / 2)  # half way down
    assert rates[9] == pytest.approx(peak * 0.5 * (1 + np.cos(np.pi * 7 / 8)))
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_without_warm_up_it_begins_at_the_peak():
    options = FitOptions(lr=1.0, batch_size=256, warmup=0.0)
    assert fit.learning_rate(options, 0, 5) == 1.0


@pytest.mark.parametrize("count", [2, 3, 15, 16, 17, 23, 24, 25, 31, 40, 71, 72, 101, 1000])
@pytest.mark.parametrize("size", [2, 8, 16, 64])
def test_batches_are_even_and_lose_one_image_at_most(count, size):
    order = np.random.default_rng(0).permutation(count)
    batches = fit._batches(order, size)
    seen = np.concatenate(batches)
    assert all(len(batch) % 2 == 0 and len(batch) for batch in batches)
    assert len(seen) == len(set(seen.tolist())) == count // 2 * 2
    if count >= size:
        assert all(size / 2 <= len(batch) < size * 1.5 + 1 for batch in batches)


def test_biases_and_norms_do_not_decay():
    net = zoo.build("resnet8", 10, 1, (32, 32))
    decayed, plain = fit._groups(net, 0.1)
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in plain["params"]} == {1}
    assert len(decayed["params"]) + len(plain["params"]) == len(list(net.parameters()))


def test_batchnorm_is_estimated_anew_from_the_images(tiny_data):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(1)).eval()
    net[0].running_mean.fill_(50)
    images = np.asarray(tiny_data["train"][0])
    normalise = Normalise(tiny_data.preprocess)
    fit.reestimate_batchnorm(net, normalise, images, batch=len(images))
    values = normalise(fit.to_batch(images))
    assert net[0].running_mean.item() == pytest.approx(values.mean().item(), rel=1e-4)
    assert net[0].running_var.item() == pytest.approx(values.var().item(), rel=1e-4)
    assert not net.training


def test_batchnorm_is_estimated_where_one_image_would_be_left_over(tiny_data):
    images = np.asarray(tiny_data["train"][0])[:9]
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.BatchNorm2d(1))
    fit.reestimate_batchnorm(net, Normalise(tiny_data.preprocess), images, batch=4)
    assert torch.isfinite(net[1].running_var).all()


def test_predictions_do_not_depend_on_the_batch(train, tiny_data):
    net, _ = train(epochs=1)
    images, _ = tiny_data["validation"]
    normalise = Normalise(tiny_data.preprocess)
    whole = fit.predict(net, normalise, images)
    parts = fit.predict(net, normalise, images, batch=7)
    assert whole.shape == (len(images), 10) and whole.dtype == np.float32
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_a_training_leaves_its_images_alone(train, tiny_data):
    before = {name: np.array(split[0]) for name, split in tiny_data.splits.items()}
    train(data=replace(tiny_data), epochs=1, augment="standard")
    for name, images in before.items():
        assert np.array_equal(images, tiny_data[name][0])


@pytest.mark.parametrize("num_images", [3, 37, 1000])
def test_the_estimate_grows_with_the_work(num_images, tiny_data):
    from edgecls.core import Workload

    work = Workload(num_images, 10, tiny_data.preprocess, threads=1)
    assert estimate.training_seconds("lenet5", FitOptions(epochs=1), work, "lenet5") > 0


def test_the_estimate_times_even_batches(tiny_data, monkeypatch):
    from edgecls.core import Workload

    sizes = []
    monkeypatch.setattr(estimate, "_timed", lambda net, batch, backward: sizes.append(len(batch)))
    for num_images in (1, 3, 37, 1000):
        with pytest.raises(TypeError):  # nothing was timed
            work = Workload(num_images, 10, tiny_data.preprocess, threads=1)
            estimate.training_seconds("lenet5", FitOptions(batch_size=64), work)
    assert sizes == [2, 2, 36, 64]
