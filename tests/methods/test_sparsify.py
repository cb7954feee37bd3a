"""Sparsify: the zeros that were asked for stand in the checkpoint, and the net keeps its shape."""

from __future__ import annotations

import json

import pytest
import torch

from edgecls.errors import UsageError
from edgecls.methods.sparsify import METHOD
from edgecls.models import checkpoint
from edgecls.recipe import validated


def test_the_zeros_are_exact_in_the_checkpoint_and_it_compresses(apply, tiny_checkpoint):
    parents = {"model": tiny_checkpoint}
    folder = apply("sparsify", parents, sparsity=0.75, ramp_epochs=2, averaging="ema")
    made = checkpoint.load(folder)
    (edit,) = made.edits
    net = checkpoint.module(made)
    for name, (zeros, total) in edit["zeros"].items():
        weight = net.get_submodule(name).weight
        assert (int((weight == 0).sum()), weight.numel()) == (zeros, total)
    none, total = (sum(pair[i] for pair in edit["zeros"].values()) for i in (0, 1))
    assert none == round(0.75 * total)
    before, after = edit["compressed_bytes"]
    assert after < 0.5 * before
    epochs = json.loads((folder / "curves.json").read_text())["epochs"]
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert made.macs == checkpoint.load(tiny_checkpoint).macs


@pytest.mark.parametrize("epochs", [0, 1])
def test_two_of_four_input_channels_are_zero(apply, tiny_checkpoint, epochs):
    made = checkpoint.load(
        apply("sparsify", {"model": tiny_checkpoint}, pattern="2:4", epochs=epochs)
    )
    net = checkpoint.module(made)
    for name in made.edits[0]["zeros"]:
        fours = net.get_submodule(name).weight.movedim(1, -1).reshape(-1, 4)
        assert ((fours != 0).sum(1) <= 2).all()
    assert torch.count_nonzero(net.head.weight) == net.head.weight.numel()


@pytest.mark.parametrize("given", [{"sparsity": 0.5}, {"scope": "layer"}, {"ramp_epochs": 2}])
def test_options_of_the_other_pattern_are_refused(given):
    with pytest.raises(UsageError) as caught:
        validated(METHOD.Options, {"model": "m", "pattern": "2:4", **given}, "models.x")
    assert "needs pattern unstructured" in caught.value.fix


def test_it_says_who_gains():
    import edgecls.methods.sparsify as module

    assert "not on CPUs" in METHOD.summary
    assert "ONNX Runtime's" in (module.__doc__ or "")
