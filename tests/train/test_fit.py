"""Training: the same seed gives the same bits, whether or not it was interrupted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from edgecls.errors import EdgeclsError, UsageError
from edgecls.models import zoo
from edgecls.models.normalise import Normalise
from edgecls.train import fit, losses
from edgecls.train.hooks import NoHook
from edgecls.train.parts import Part


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


def test_the_curves_hold_what_the_report_draws(train):
    net, curves = train()
    assert not net.training
    assert [row["epoch"] for row in curves] == [1, 2, 3]
    assert set(curves[0]) == {"epoch", "lr", "train_loss", "val_loss", "val_top1", "seconds"}
    assert curves[-1]["train_loss"] < curves[0]["train_loss"]


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


def plain() -> nn.Module:
    """A net without BatchNorm: a batch's gradient is the mean of its parts'."""
    return nn.Sequential(nn.Conv2d(1, 6, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(600, 10))


class Random(nn.Module):
    """A net that draws: dropout, and a block that is skipped now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.block, self.head = (
            nn.Linear(1024, 24),
            nn.Linear(24, 24),
            nn.Linear(24, 10),
        )
        self.dropout, self.depth = nn.Dropout(0.3), StochasticDepth(0.4, "row")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x.flatten(1)))
        return self.head(self.dropout(x + self.depth(self.block(x))))


def state_of(tmp_path, work: str = "work") -> dict:
    return torch.load(tmp_path / work / fit.EPOCH_STATE, weights_only=True)


def step_of(train, tmp_path, work: str, **options) -> dict[str, torch.Tensor]:
    """By what one step of plain SGD over all images changes `plain`, at a rate of one."""
    fit.set_up(1, 0)
    before = plain().state_dict()
    # The 80 images fill no batch of 128, and bear the rate of 80.
    always = {"epochs": 1, "batch_size": 128, "lr": 256 / 80, "warmup": 0, "momentum": 0}
    net, _ = train(work, make=plain, augment="none", keep="last", **always, **options)
    return {name: tensor - before[name] for name, tensor in net.state_dict().items()}


INTERRUPTED = [
    *({"optimizer": name} for name in ("sgd", "adam", "adamw", "rmsprop", "lion")),
    {"averaging": "ema", "ema_decay": 0.9},
    {"averaging": "lookahead", "batch_size": 4},
    {"schedule": "plateau", "plateau": 1, "optimizer": "adam", "lr": 0.05},
    {"schedule": "one-cycle", "flip": "alternating", "mixup": 0.3, "cutmix": 1},
    {"sampling": "balanced", "augment": "strong", "accumulate": 2, "clip_norm": 1, "l1": 1e-4},
    {"precision": "bf16", "keep": "last", "policy": "randaugment"},
    {"make": Random, "augment": "none"},
]


@pytest.mark.parametrize("options", INTERRUPTED, ids=lambda options: " ".join(options))
def test_any_training_goes_on_as_if_it_had_not_been_interrupted(train, options):
    options = {"epochs": 4, **options}
    whole, curves = train("whole", **options)
    for epoch in (2, 3):
        with pytest.raises(Stop):
            train("broken", progress=StopIn(epoch), **options)
    resumed, again = train("broken", **options)
    assert equal(resumed, whole)
    assert without_time(again) == without_time(curves)


def test_epochs_that_were_done_before_are_told_again(train):
    told: list[float] = []
    with pytest.raises(Stop):
        train(progress=StopIn(3))
    _, curves = train(log=lambda row: told.append(row["epoch"]))
    assert told == [row["epoch"] for row in curves] == [1, 2, 3]


def test_the_learning_rate_of_the_curves_is_that_of_the_schedule(train):
    _, curves = train(epochs=3, lr=1.6, batch_size=16, schedule="step", milestones=[0.5], warmup=0)
    assert [row["lr"] for row in curves] == pytest.approx([0.1, 0.01, 0.01])


def test_parts_of_a_batch_have_its_gradient(train, tmp_path):
    whole = step_of(train, tmp_path, "whole")
    for parts in (2, 4):
        found = step_of(train, tmp_path, f"parts {parts}", accumulate=parts)
        for name, change in whole.items():
            assert torch.allclose(found[name], change, rtol=1e-4, atol=1e-6)


def test_the_training_loss_does_not_depend_on_the_parts(train):
    one, two = (
        train(f"{parts}", make=plain, epochs=1, accumulate=parts)[1][0]["train_loss"]
        for parts in (1, 2)
    )
    assert two == pytest.approx(one, rel=1e-4)


def test_a_batch_that_cannot_be_halved_evenly_is_refused(train):
    with pytest.raises(UsageError, match="batch_size 16 cannot be shared evenly") as caught:
        train(accumulate=3)
    assert caught.value.fix == "make it a multiple of 6"


def test_images_that_fill_no_batch_bear_the_rate_of_their_number(train):
    _, curves = train(epochs=1, lr=0.4, batch_size=512, warmup=0, schedule="constant")
    assert curves[0]["lr"] == pytest.approx(0.4 * 80 / 256)


def test_l1_pulls_weights_to_zero_and_leaves_biases(train, tmp_path):
    fit.set_up(1, 0)
    sign = {name: tensor.sign() for name, tensor in plain().state_dict().items()}
    without = step_of(train, tmp_path, "without", weight_decay=0)
    for parts in (1, 2):
        found = step_of(train, tmp_path, f"l1 {parts}", weight_decay=0, l1=0.01, accumulate=parts)
        for name, change in found.items():
            expected = without[name] - (0.01 * sign[name] if change.ndim > 1 else 0)
            assert torch.allclose(change, expected, atol=1e-5)


def test_a_long_gradient_is_cut_to_its_norm_and_keeps_its_direction(train, tmp_path):
    free = step_of(train, tmp_path, "free", weight_decay=0)
    cut = step_of(train, tmp_path, "cut", weight_decay=0, clip_norm=0.01)
    long, short = (torch.cat([t.flatten() for t in step.values()]) for step in (free, cut))
    assert long.norm() > 0.02
    assert short.norm() == pytest.approx(0.01, rel=1e-3)
    assert torch.cosine_similarity(long, short, dim=0) > 0.999
    wide = step_of(train, tmp_path, "wide", weight_decay=0, clip_norm=1e6)
    assert all(torch.equal(wide[name], free[name]) for name in free)


def test_weight_decay_reaches_weights_and_no_biases(train, tmp_path):
    fit.set_up(1, 0)
    before = plain().state_dict()
    free = step_of(train, tmp_path, "free", weight_decay=0)
    decayed = step_of(train, tmp_path, "decayed", weight_decay=0.1)
    for name, change in decayed.items():
        expected = free[name] - (0.1 * before[name] if change.ndim > 1 else 0)
        assert torch.allclose(change, expected, atol=1e-5)


def test_the_best_or_the_last_weights_are_kept(train, tmp_path, monkeypatch):
    worse_after(2, monkeypatch)
    best, _ = train("best", keep="best")
    worse_after(2, monkeypatch)
    last, _ = train("last", keep="last")
    for net, work, part in ((best, "best", "best"), (last, "last", "net")):
        saved = state_of(tmp_path, work)
        kept = saved["net"] if part == "net" else saved["state"]["best"]
        assert all(torch.equal(t, kept[name]) for name, t in net.state_dict().items())
    assert not equal(best, last)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_an_ema_is_what_is_validated_and_kept(train, tmp_path, keep, monkeypatch):
    net, curves = train(averaging="ema", ema_decay=0.9, keep=keep, epochs=2)
    saved = state_of(tmp_path)
    best = curves[1]["val_top1"] >= curves[0]["val_top1"]
    if keep == "last" or best:
        for name, tensor in saved["average"].items():
            assert torch.equal(net.state_dict()[name], tensor)
    assert any(not torch.equal(t, saved["net"][name]) for name, t in saved["average"].items())


def test_validation_sees_the_average(train, tiny_data):
    net, curves = train(averaging="ema", ema_decay=0.9, keep="last", epochs=2)
    images, classes = tiny_data["validation"]
    logits = fit.predict(net, Normalise(tiny_data.preprocess), images)
    loss, top1 = fit._score(logits, classes)
    assert (curves[-1]["val_loss"], curves[-1]["val_top1"]) == pytest.approx((loss, top1))


def test_bf16_learns_in_fp32_weights_and_gives_the_loss_fp32(train, tiny_data):
    seen = set()

    def loss(logits, target, piece):
        seen.add((logits.dtype, piece.images.dtype))
        return losses.cross_entropy(0.0)(logits, target, piece)

    net, curves = train("half", loss=loss, precision="bf16", epochs=8, lr=1.6, augment="none")
    exact, _ = train("exact", epochs=8, lr=1.6, augment="none")
    assert seen == {(torch.float32, torch.float32)}
    assert {t.dtype for t in net.state_dict().values()} == {torch.float32, torch.int64}
    assert curves[-1]["train_loss"] < 0.6 * curves[0]["train_loss"]
    assert not equal(net, exact)


def test_fp16_is_refused_on_a_cpu(train):
    with pytest.raises(UsageError, match="fp16 cannot be trained on a CPU"):
        train(precision="fp16")


def test_mixed_images_are_what_student_and_teacher_see(train):
    """And labels that are shares; the teacher answers the very images of the student."""
    seen, answered = [], []

    class Teacher(nn.Module):
        def forward(self, x):
            answered.append(x.clone())
            return x.flatten(1)[:, :10]

    class Student(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(1024, 10)

        def forward(self, x):
            if self.training:
                seen.append(x.clone())
            return self.head(x.flatten(1))

    def on_labels(logits, target, piece):
        assert target.shape == logits.shape
        assert torch.allclose(target.sum(1), torch.ones(len(target)))
        return losses.cross_entropy(0.1)(logits, target, piece)

    loss = losses.distillation(Teacher(), 4.0, 0.9, on_labels)
    train(make=Student, loss=loss, mixup=0.4, cutmix=1.0, epochs=2)
    assert len(seen) == len(answered) > 4
    assert all(torch.equal(one, other) for one, other in zip(seen, answered, strict=True))


def test_a_net_that_draws_is_other_in_every_epoch_and_the_same_for_a_seed(train):
    masks: list[torch.Tensor] = []

    class Net(Random):
        def forward(self, x):
            if self.training:
                masks.append(self.dropout(torch.ones(4, 1000)))
            return super().forward(x)

    def drawn(work: str, seed: int = 0) -> list[torch.Tensor]:
        masks.clear()
        train(work, seed=seed, make=Net, epochs=2)
        return list(masks)

    one, other = drawn("one"), drawn("other")
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert len({mask.numpy().tobytes() for mask in one}) == len(one)
    assert 0.25 < (one[0] == 0).float().mean() < 0.35


def test_frozen_norms_keep_their_statistics_and_learn_their_scale(train):
    def norms(net: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        found = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
        return tuple(
            torch.cat([getattr(m, n) for m in found]).detach() for n in ("running_mean", "weight")
        )

    fit.set_up(1, 0)
    mean, weight = norms(zoo.build("lenet5", 10, 1, (32, 32)))
    for frozen in (True, False):
        net, _ = train(f"{frozen}", epochs=1, frozen_norms=frozen)
        found_mean, found_weight = norms(net)
        assert torch.equal(found_mean, mean) == frozen
        assert not torch.equal(found_weight, weight)


def test_parts_learn_from_their_epoch_on_and_all_can_learn_afterwards(train, tmp_path):
    fit.set_up(1, 0)
    before = plain().state_dict()
    states: list[dict[str, torch.Tensor]] = []
    net = plain()
    parts = [Part(("0.weight", "0.bias"), from_epoch=2), Part(("3.bias",), from_epoch=0)]

    def remember(row):
        states.append({name: tensor.clone() for name, tensor in net.state_dict().items()})

    net.load_state_dict(before)
    train(make=lambda: net, parts=parts, log=remember, epochs=2)
    moved = [{n for n, t in state.items() if not torch.equal(t, before[n])} for state in states]
    assert moved == [{"3.weight"}, {"0.weight", "0.bias", "3.weight"}]
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_what_a_net_has_frozen_is_not_trained(train):
    fit.set_up(1, 0)
    start = zoo.build("airbench94", 10, 1, (32, 32)).whiten.weight.clone()
    net, curves = train(
        make=lambda: zoo.build("airbench94", 10, 1, (32, 32)),
        epochs=1,
        bias_lr=64,
        averaging="lookahead",
    )
    assert torch.equal(net.whiten.weight, start)
    assert np.isfinite(curves[0]["train_loss"])


def test_a_rare_class_weighs_more(train, tiny_data):
    """Weights of a balanced loss: another training than that without them."""
    images, classes = tiny_data["train"]
    few = np.sort(np.concatenate([np.flatnonzero(classes != 3), np.flatnonzero(classes == 3)[:1]]))
    splits = {**tiny_data.splits, "train": (np.asarray(images)[few], classes[few])}
    data = replace(tiny_data, splits=splits)
    nets = [
        train(name, data=data, class_weights=name, epochs=1)[0] for name in ("none", "balanced")
    ]
    assert not equal(*nets)


class Told(NoHook):
    """Writes down what it is called for."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def begin_epoch(self, net, epoch, epochs):
        self.calls.append((epoch, epochs, net.training))

    def after_backward(self, net):
        self.calls.append(all(p.grad is not None for p in net.parameters()))
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.grad.zero_()

    def after_step(self, net):
        self.calls.append("stepped")


def test_a_hook_is_called_in_every_step_and_may_change_the_gradients(train):
    hook = Told()
    net, _ = train("hooked", hook=hook, epochs=2, weight_decay=0.0)
    steps = (len(hook.calls) - 2) // 4
    assert steps > 1
    assert hook.calls == [
        *((1, 2, True), *((True, "stepped") * steps)),
        *((2, 2, True), *((True, "stepped") * steps)),
    ]
    fresh, _ = train("other", hook=Told(), epochs=1, weight_decay=0.0)
    assert all(
        torch.equal(p, q) for p, q in zip(net.parameters(), fresh.parameters(), strict=True)
    ), "gradients of zero teach nothing"


def test_a_loss_is_told_the_place_of_its_images_in_the_epoch(train):
    places = []

    def loss(logits, target, piece):
        assert len(logits) == len(piece.images)
        places.append((piece.epoch, piece.start, piece.start + len(piece.images)))
        return losses.cross_entropy(0.1)(logits, target, piece)

    train("placed", loss=loss, epochs=2, accumulate=2)
    for epoch in (1, 2):
        rows = [(begin, end) for number, begin, end in places if number == epoch]
        assert rows[0][0] == 0 and len(rows) > 2
        assert [begin for begin, _ in rows[1:]] == [end for _, end in rows[:-1]]


def test_a_training_in_bf16_is_judged_as_its_net_will_ship(train, tiny_data):
    images, classes = tiny_data["validation"]
    net, curves = train(precision="bf16", keep="last")
    logits = torch.from_numpy(fit.predict(net, Normalise(tiny_data.preprocess), images))
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(np.array(classes)))
    assert curves[-1]["val_loss"] == pytest.approx(float(expected), rel=1e-5)
