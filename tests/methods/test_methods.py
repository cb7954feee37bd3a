"""What holds for every method: its name, its options, its parents' safety, its plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from edgecls import methods
from edgecls.core import Workload
from edgecls.errors import UsageError
from edgecls.models import checkpoint
from edgecls.recipe import validated

NEEDED = {"train": {}, "finetune": {}, "distill": {"teacher": "t"}, "prune": {"model": "m"}}
NEEDED["sparsify"] = {"model": "m"}


def test_a_file_is_a_method():
    assert {"distill", "finetune", "prune", "sparsify", "train"} <= set(methods.names())
    for name in methods.names():
        assert methods.get(name).name == name and methods.get(name).summary


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="unknown method: 'destill'") as caught:
        methods.get("destill")
    assert "did you mean 'distill'" in caught.value.fix


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize(
    ("given", "cause", "fix"),
    [
        ({"epochz": 3}, "unknown key 'models.x.epochz'", "did you mean 'epochs'"),
        ({"epochs": -1}, "models.x.epochs is -1", "greater than or equal to"),
        ({"epochs": "many"}, "models.x.epochs is 'many'", "valid integer"),
        ({"batch_size": 7}, "models.x.batch_size is 7", "multiple of 2"),
        ({"lr": 0}, "models.x.lr is 0", "greater than 0"),
        ({"lr": float("nan")}, "models.x.lr is nan", "finite"),
        ({"lr": float("inf")}, "models.x.lr is inf", "finite"),
        ({"augment": "heavy"}, "models.x.augment is 'heavy'", "'standard' or 'strong'"),
        ({"warmup": 1}, "models.x.warmup is 1", "less than 1"),
    ],
)
def test_a_wrong_option_is_named_with_its_cure(name, given, cause, fix):
    with pytest.raises(UsageError) as caught:
        validated(methods.get(name).Options, {**NEEDED[name], **given}, "models.x")
    assert caught.value.cause == cause
    assert fix in caught.value.fix


@pytest.mark.parametrize(("name", "option"), [("distill", "teacher"), ("prune", "model")])
def test_a_missing_parent_is_named(name, option):
    with pytest.raises(UsageError, match=rf"^models\.x\.{option} is missing") as caught:
        validated(methods.get(name).Options, {}, "models.x")
    assert "model or checkpoint" in caught.value.fix


@pytest.mark.parametrize("name", NEEDED)
def test_every_option_has_a_flag(name):
    from edgecls.cli import cli

    text = CliRunner().invoke(cli, [name, "--help"], terminal_width=200).output
    for option in methods.get(name).Options.model_fields:
        assert f"--{option.replace('_', '-')}" in text


def test_plan_is_made_without_training(tiny_data):
    work = Workload(70, 10, tiny_data.preprocess, threads=1)
    archs = {"teacher": "lenet5", "model": "lenet5"}
    for name, needed in NEEDED.items():
        method = methods.get(name)
        arch = "resnet18" if name == "finetune" else "lenet5"
        given = {} if name in ("prune", "sparsify") else {"arch": arch}
        options = method.Options(epochs=1, **needed, **given)
        parents = {option: archs[option] for option in needed}
        assert method.arch(parents, options) == arch
        assert method.plan(parents, options, work) > 0


@pytest.mark.parametrize(("name", "option"), [("distill", "teacher"), ("prune", "model")])
def test_a_parent_of_other_classes_is_refused(apply, name, option, tiny_data, tiny_checkpoint):
    other = replace(tiny_data, labels=(*tiny_data.labels[:-1], "ten"))
    with pytest.raises(UsageError, match="knows other classes than the data") as caught:
        apply(name, {option: tiny_checkpoint}, data=other)
    assert caught.value.fix


@pytest.mark.parametrize(("name", "option"), [("distill", "teacher"), ("prune", "model")])
def test_a_parent_of_another_input_is_refused(apply, name, option, tiny_data, tiny_checkpoint):
    other = replace(tiny_data, preprocess=replace(tiny_data.preprocess, resize="pad"))
    with pytest.raises(UsageError, match="takes another input") as caught:
        apply(name, {option: tiny_checkpoint}, data=other)
    assert "size [32, 32], mode L and resize stretch" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "options"), [("train", {"arch": "lenet5"}), ("distill", {"arch": "lenet5"})]
)
def test_the_checkpoint_says_how_it_was_made(apply, name, options, tiny_checkpoint, tiny_data):
    parents = {} if name == "train" else {"teacher": tiny_checkpoint}
    made = checkpoint.load(apply(name, parents, **options))
    assert (made.arch, made.labels) == ("lenet5", tiny_data.labels)
    assert made.metrics["validation"]["num_images"] == len(tiny_data["validation"][1])
    assert made.provenance["method"] == name and made.provenance["seed"] == 0
    assert made.provenance["options"]["epochs"] == 1
    assert made.provenance["data"] == tiny_data.fingerprint
    teacher = checkpoint.load(tiny_checkpoint).weights_sha256
    assert made.provenance["parents"] == ({"teacher": teacher} if parents else {})
    assert len(made.calibration()) == len(tiny_data["calibration"][0])
    assert made.golden() == list(tiny_data.golden)


def test_made_twice_a_checkpoint_is_the_same_but_for_the_clock(apply, hashes, tiny_checkpoint):
    parents = {"teacher": tiny_checkpoint}
    one = hashes(apply("distill", parents, out="one", arch="lenet5"))
    other = hashes(apply("distill", parents, out="other", arch="lenet5"))
    assert {name for name in one if one[name] != other[name]} <= {"curves.json"}


def test_a_student_follows_its_teacher_and_not_the_labels(apply, tiny_checkpoint, tiny_data):
    """With alpha 1 the labels do not matter, with alpha 0 the teacher does not."""
    parents = {"teacher": tiny_checkpoint}
    taught = apply("distill", parents, out="taught", arch="lenet5", alpha=1.0)
    images, classes = tiny_data["train"]
    wrong = {**tiny_data.splits, "train": (images, (np.asarray(classes) + 1) % 10)}
    misled = apply(
        "distill", parents, replace(tiny_data, splits=wrong), "wrong", arch="lenet5", alpha=1.0
    )
    weights = [checkpoint.load(folder).weights_sha256 for folder in (taught, misled)]
    assert weights[0] == weights[1]
    untaught = apply("distill", parents, out="untaught", arch="lenet5", alpha=0.0)
    hotter = apply("distill", parents, out="h", arch="lenet5", alpha=0.0, temperature=2.0)
    weights += [checkpoint.load(folder).weights_sha256 for folder in (untaught, hotter)]
    assert weights[2] == weights[3] != weights[0]


def test_parents_are_left_alone(apply, hashes, tiny_checkpoint):
    before = hashes(tiny_checkpoint)
    apply("distill", {"teacher": tiny_checkpoint}, out="distilled", arch="lenet5")
    apply("prune", {"model": tiny_checkpoint}, out="pruned", macs_ratio=1.5)
    assert hashes(tiny_checkpoint) == before
