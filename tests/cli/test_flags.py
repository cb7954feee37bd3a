"""A method's options as flags: every one of them is there, typed, and told in its section."""

from __future__ import annotations

import re

import pytest

from edgecls import methods
from edgecls.cli import flags

METHODS = ("train", "distill", "prune", "finetune")


@pytest.fixture
def asked(monkeypatch):
    """The options that the command asked for, without doing it."""
    seen = []
    monkeypatch.setattr(
        "edgecls.pipeline.single.apply_method",
        lambda name, options, recipe, out, events, force: seen.append((options, recipe)) or out,
    )
    monkeypatch.setattr("edgecls.cli.methods.summary", lambda folder: "")
    return seen


@pytest.mark.parametrize("name", METHODS)
def test_every_option_of_a_method_is_a_flag(edgecls, name):
    told = edgecls(name, "--help")
    assert told.status == 0
    for option in methods.get(name).Options.model_fields:
        assert f"--{option.replace('_', '-')}" in told.out, option


def test_help_has_a_section_for_training_and_one_for_augmentation(edgecls):
    text = edgecls("train", "--help").out
    options, training, augmentation = re.split(r"\n\n(?:Training|Augmentation):\n", text)
    assert "--arch" in options and "--out" in options and "--epochs" not in options
    assert "--epochs" in training and "--label-smoothing" in training
    assert "--flip" in augmentation and "--lr" not in augmentation


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("--nesterov",), {"nesterov": True}),
        (("--no-nesterov",), {"nesterov": False}),
        ((), {}),
        (("--milestones", "0.3,0.6"), {"milestones": [0.3, 0.6]}),
        (("--flip", "alternating"), {"flip": "alternating"}),
        (("--lr", "0.25"), {"lr": 0.25}),
        (("--dropout", "0"), {"dropout": 0.0}),
    ],
)
def test_what_is_given_becomes_the_options_value(edgecls, asked, given, wanted):
    assert edgecls("train", *given).status == 0
    assert asked[0][0] == wanted


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--milestones", "early"), "0.5,0.75"),
        (("--flip", "often"), "alternating"),
        (("--lr", "fast"), "float"),
        (("--rotation", "400"), "rotation"),
        (("--batch-size", "7"), "batch_size"),
    ],
)
def test_a_wrong_value_is_a_usage_error_that_says_what_is_right(edgecls, given, told):
    ended = edgecls("train", *given)
    assert ended.status == 2 and told in ended.err


def test_where_it_trains_goes_into_the_recipe(edgecls, asked):
    edgecls("train", "--device", "cuda:1", "--threads", 2, "--tensorboard", "events", "--seed", 5)
    recipe = asked[0][1]
    assert (recipe.device, recipe.threads, recipe.tensorboard) == ("cuda:1", 2, "events")
    assert recipe.seed == 5


def test_an_unknown_device_is_refused(edgecls):
    ended = edgecls("train", "--device", "gpu")
    assert ended.status == 2 and "device" in ended.err


def test_numbers_that_are_a_list_already_stay():
    assert flags.Numbers().convert([0.5], None, None) == [0.5]
