"""train, distill and prune from the command line: flags become options, the recipe's keys hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecls.cli.methods import summary
from edgecls.models import checkpoint

QUICK = ("--epochs", 1, "--batch-size", 16, "--set", "threads=1", "--set", "data.calibration=10")


@pytest.fixture
def applied(monkeypatch):
    """What the command asked for, without doing it."""
    seen = []

    def note(name, options, recipe, out, events, force):
        seen.append((name, options, recipe, out, force))
        return out

    monkeypatch.setattr("edgecls.pipeline.single.apply_method", note)
    monkeypatch.setattr("edgecls.cli.methods.summary", lambda folder: "")
    return seen


def test_only_what_was_given_becomes_an_option(edgecls, applied):
    edgecls("train", "--arch", "lenet5", "--epochs", 3, "--augment", "none", "--lr", "0.5")
    ((name, options, recipe, out, force),) = applied
    assert name == "train" and not force and out.as_posix() == "runs/checkpoints/train"
    assert options == {"arch": "lenet5", "epochs": 3, "augment": "none", "lr": 0.5}
    assert recipe.data.path == "digits" and recipe.seed == 0


def test_keys_of_the_recipe_are_taken_and_flags_go_before_them(edgecls, applied):
    edgecls("train", "--set", "data.path=here", "--set", "data.size=64", "--seed", 4)
    edgecls("train", "--set", "data.path=here", "--data", "there")
    first, second = (recipe for _, _, recipe, _, _ in applied)
    assert (first.data.path, first.data.size, first.seed) == ("here", 64, 4)
    assert second.data.path == "there"


def test_a_net_is_trained_and_cut(edgecls, digit_images, tmp_path):
    data = ("--data", digit_images, *QUICK)
    trained = edgecls("train", *data, "--arch", "lenet5", "--out", "net", "--seed", 2)
    assert trained.status == 0 and trained.out.endswith("\ncheckpoint: net\n")
    net = checkpoint.load(tmp_path / "cwd" / "net")
    top1 = net.metrics["validation"]["top1"]
    assert trained.out.startswith(f"lenet5: {100 * top1:.2f} % right on ")
    assert net.arch == "lenet5" and net.provenance["seed"] == 2
    cut = edgecls("prune", *data, "--model", "net", "--round-to", 2, "--out", "cut")
    assert cut.status == 0
    assert checkpoint.load(tmp_path / "cwd" / "cut").macs <= net.macs / 2
    again = edgecls("train", *data, "--arch", "lenet5", "--out", "net")
    assert again.status == 2 and "exists already" in again.err


def test_what_was_made_sparse_ends_with_its_share_of_zeros(tiny_checkpoint, monkeypatch):
    made = checkpoint.load(tiny_checkpoint)
    edit = {"kind": "sparsify", "zeros": {"a": [30, 40], "b": [50, 60]}}
    assert "zeros" not in summary(tiny_checkpoint)
    monkeypatch.setattr(checkpoint, "load", lambda folder: replace(made, edits=(edit,)))
    assert summary(tiny_checkpoint).endswith(", 80.0 % zeros in the 2 layers made sparse")
