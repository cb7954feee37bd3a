"""Pruning: as narrow as it was asked, in widths that kernels like, and told when it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from edgecls.core import Context, Latency, Workload
from edgecls.errors import UsageError
from edgecls.methods.prune import METHOD
from edgecls.models import checkpoint, cost
from edgecls.recipe import validated


@pytest.mark.parametrize("ratio", [1.5, 3.0])
def test_it_reaches_the_ratio_in_multiples(apply, tiny_checkpoint, ratio):
    parent = checkpoint.load(tiny_checkpoint)
    made = checkpoint.load(
        apply("prune", {"model": tiny_checkpoint}, epochs=0, macs_ratio=ratio, round_to=4)
    )
    assert made.macs <= parent.macs / ratio
    assert made.num_params < parent.num_params
    (edit,) = made.edits
    assert all(after % 4 == 0 and after < before for before, after in edit["channels"].values())
    net = checkpoint.module(made)
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(m.out_channels % 4 == 0 for m in convolutions)
    assert net.head.out_features == len(made.labels)
    assert cost.count(net, made.input_shape) == (made.macs, made.num_params)


def test_it_cuts_again_what_was_cut_and_learns_from_a_teacher(apply, tiny_checkpoint):
    once = apply("prune", {"model": tiny_checkpoint}, out="once", macs_ratio=1.3, round_to=2)
    parents = {"model": once, "teacher": tiny_checkpoint}
    twice = checkpoint.load(apply("prune", parents, out="twice", macs_ratio=1.3, round_to=2))
    assert len(twice.edits) == 2
    assert twice.edits[0] == checkpoint.load(once).edits[0]
    assert twice.macs <= checkpoint.load(once).macs / 1.3
    assert set(twice.provenance["parents"]) == {"model", "teacher"}
    assert checkpoint.module(twice)(torch.zeros(1, 1, 32, 32)).shape == (1, 10)


def test_fine_tuning_is_what_its_options_say(apply, tiny_checkpoint):
    folder = apply("prune", {"model": tiny_checkpoint}, epochs=2, macs_ratio=1.3)
    epochs = json.loads((folder / "curves.json").read_text())["epochs"]
    assert [row["epoch"] for row in epochs] == [1, 2]


def test_a_ratio_that_cannot_be_reached_says_what_can(apply, tiny_checkpoint):
    with pytest.raises(UsageError, match=r"cut to 500× fewer multiply-accumulates, only to \d"):
        apply("prune", {"model": tiny_checkpoint}, macs_ratio=500)


def test_what_cannot_be_cut_is_refused_in_the_plan(tiny_data):
    work = Workload(70, 10, tiny_data.preprocess, threads=1)
    options = METHOD.Options(model="m", epochs=0)
    with pytest.raises(UsageError, match="torch-pruning cannot cut this net") as caught:
        METHOD.plan({"model": "shufflenet_v2_x0_5"}, options, work)
    assert "another net" in caught.value.fix
    with pytest.raises(UsageError, match="has no layers whose channels can be cut"):
        METHOD.plan({"model": "rowgru"}, options, work)
    deep = METHOD.Options(model="m", epochs=0, macs_ratio=100)
    with pytest.raises(UsageError, match="100× fewer multiply-accumulates"):
        METHOD.plan({"model": "resnet8"}, deep, work)


@pytest.mark.parametrize(
    ("option", "value", "figure"),
    [("params_ratio", 3.0, "params"), ("size_bytes", 100_000, "size"), ("macs_ratio", 2.0, "macs")],
)
def test_a_goal_is_held_and_nearly_used_up(apply, tiny_checkpoint, option, value, figure):
    made = checkpoint.load(
        apply("prune", {"model": tiny_checkpoint}, epochs=0, round_to=1, **{option: value})
    )
    (edit,) = made.edits
    limit = edit["goal"]["limit"]
    assert 0.97 * limit <= edit["after"][figure] <= limit
    assert edit["after"]["macs"] == made.macs and edit["after"]["params"] == made.num_params


def test_sparse_learning_and_steps_are_trainings_of_their_own(apply, tiny_checkpoint):
    options = {"sparse_epochs": 1, "sparse_reg": 1e-3, "steps": 2, "step_epochs": 1}
    folder = apply("prune", {"model": tiny_checkpoint}, macs_ratio=3.0, **options)
    epochs = json.loads((folder / "curves.json").read_text())["epochs"]
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    made = checkpoint.load(folder)
    assert len(made.edits) == 1
    assert made.macs <= checkpoint.load(tiny_checkpoint).macs / 3


def test_a_killed_fine_tuning_goes_on_with_the_same_cut(tiny_data, tiny_checkpoint, tmp_path):
    """What was decided stays, whatever a second look at the weights would say."""
    options = METHOD.Options(model="m", macs_ratio=2.0, epochs=1, batch_size=16)
    made = []
    for name in ("whole", "again"):
        (tmp_path / name).mkdir()
        context = Context(tiny_data, 0, tmp_path, threads=1)
        METHOD.apply({"model": tiny_checkpoint}, options, context, tmp_path / name)
        made.append(checkpoint.load(tmp_path / name))
        decided = json.loads((tmp_path / "cut-1.json").read_text())
        seen = (tmp_path / "cut-1.json").stat().st_mtime_ns
    assert made[0].weights_sha256 == made[1].weights_sha256
    assert decided["drops"] and seen == (tmp_path / "cut-1.json").stat().st_mtime_ns


class Fake:
    """A device whose latency is a fixed part and one that grows with the parameters."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, folder: Path, beside: Path, target: str, precision: str) -> Latency:
        self.asked.append((target, precision))
        sizes = [checkpoint.load(each).num_params for each in (folder, beside)]
        ms, beside_ms = (0.1 + size / 100_000 for size in sizes)
        return Latency(ms, beside_ms, ms / beside_ms)


@pytest.mark.parametrize("goal", [{"latency_ratio": 0.5}, {"latency_ms": 0.45}])
def test_a_latency_is_aimed_at_by_measuring(tiny_data, tiny_checkpoint, tmp_path, goal):
    cost = Fake()
    options = METHOD.Options(
        model="m", epochs=0, round_to=2, latency_target="openvino", latency_precision="int8", **goal
    )
    (tmp_path / "out").mkdir()
    context = Context(tiny_data, 0, tmp_path, threads=1, cost=cost)
    METHOD.apply({"model": tiny_checkpoint}, options, context, tmp_path / "out")
    (edit,) = checkpoint.load(tmp_path / "out").edits
    found = cost(tmp_path / "out", tiny_checkpoint, "openvino", "int8")
    value, limit = (found.ratio, 0.5) if "latency_ratio" in goal else (found.ms, 0.45)
    assert 0.9 * limit <= value <= limit
    assert set(cost.asked) == {("openvino", "int8")}
    assert len(edit["measured"]) == len(cost.asked) - 1 <= 18
    before = len(cost.asked)
    (tmp_path / "cut-1.json").unlink()
    (tmp_path / "more").mkdir()
    METHOD.apply({"model": tiny_checkpoint}, options, context, tmp_path / "more")
    assert len(cost.asked) == before  # every measurement was kept


def test_a_latency_that_nothing_measures_is_refused(apply, tiny_checkpoint):
    with pytest.raises(UsageError, match="nothing here that measures a latency"):
        apply("prune", {"model": tiny_checkpoint}, latency_ratio=0.5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"macs_ratio": 2, "params_ratio": 2}, "are two goals: give one"),
        ({"step_epochs": 3}, "step_epochs has no effect"),
        ({"sparse_reg": 1e-3}, "sparse_reg has no effect"),
        ({"scope": "local", "isomorphic": True}, "isomorphic has no effect"),
        ({"latency_target": "openvino"}, "latency_target has no effect"),
    ],
)
def test_options_without_effect_are_refused(given, said):
    with pytest.raises(UsageError) as caught:
        validated(METHOD.Options, {"model": "m", **given}, "models.x")
    assert said in f"{caught.value.cause}: {caught.value.fix}"


def test_without_a_goal_it_halves_the_macs():
    assert METHOD.Options(model="m").macs_ratio == 2.0
    assert METHOD.Options(model="m", latency_ms=1.0).macs_ratio is None
