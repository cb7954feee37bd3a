"""Pruning: as narrow as it was asked, in widths that kernels like, and told when it cannot be."""

from __future__ import annotations

import pytest
import torch

from edgecls.errors import EdgeclsError, UsageError
from edgecls.methods.prune import cut
from edgecls.models import checkpoint, cost, zoo


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
    import json

    folder = apply("prune", {"model": tiny_checkpoint}, epochs=2, macs_ratio=1.3)
    epochs = json.loads((folder / "curves.json").read_text())["epochs"]
    assert [row["epoch"] for row in epochs] == [1, 2]


def test_a_ratio_that_cannot_be_reached_says_what_can(apply, tiny_checkpoint):
    with pytest.raises(UsageError, match=r"cannot be cut to 500× fewer MACs, only to \d") as caught:
        apply("prune", {"model": tiny_checkpoint}, macs_ratio=500)
    assert "lower macs_ratio or round_to" in caught.value.fix


def test_two_cuts_in_one_process_do_not_disturb_each_other():
    """torch-pruning keeps state in mutable defaults."""

    def widths() -> list[int]:
        torch.manual_seed(0)
        net = zoo.build("resnet8", 10, 1, (32, 32))
        cut(net, (1, 32, 32), 1.5, 2)
        return [m.out_channels for m in net.modules() if isinstance(m, torch.nn.Conv2d)]

    first = widths()
    other = zoo.build("squeezenet1_1", 10, 1, (32, 32))
    cut(other, (1, 32, 32), 2.0, 8)
    assert widths() == first


def test_a_net_that_cannot_be_cut_says_so():
    net = zoo.build("shufflenet_v2_x0_5", 10, 3, (64, 64))
    with pytest.raises(EdgeclsError, match="torch-pruning cannot cut this net") as caught:
        cut(net, (3, 64, 64), 1.5, 8)
    assert "another net" in caught.value.fix
