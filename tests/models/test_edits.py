"""A cut net is its architecture, the edits and the tensors: replayed, it answers bit for bit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from edgecls.core import Dataset
from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError, UsageError
from edgecls.models import checkpoint, cuts, edits, zoo
from edgecls.train.pruning import groups
from edgecls.train.pruning.course import widths as cut_widths
from edgecls.train.pruning.cutting import cut


def widths(net: torch.nn.Module) -> dict[str, int]:
    kinds = torch.nn.Conv2d | torch.nn.Linear
    return {n: m.weight.shape[0] for n, m in net.named_modules() if isinstance(m, kinds)}


def pruned(arch: str, size: int, folder, times: int = 1) -> tuple[torch.nn.Module, torch.Tensor]:
    """A net that was cut `times` times, saved into `folder`, and an input for it."""
    torch.manual_seed(1)
    net = zoo.build(arch, 4, 3, (size, size)).eval()
    done = []
    for _ in range(times):
        whole = cuts.forms(net)
        found = groups.find(net, (3, size, size))
        cut(net, [(group, range(0, group.size, 3)) for group in found])
        layers = cuts.changed(whole, cuts.forms(net))
        done.append(edits.cut_edit(layers, cut_widths(whole, layers)))
    images = np.zeros((1, size, size, 3), np.uint8)
    data = Dataset(
        ("a", "b", "c", "d"),
        Preprocess((size, size)),
        {"calibration": (images, np.zeros(1, np.int64))},
        "",
    )
    folder.mkdir()
    checkpoint.save(folder, net, arch, data, metrics={}, provenance={}, curves=[], edits=done)
    return net.eval(), torch.randn(2, 3, size, size)


@pytest.mark.parametrize(
    ("arch", "size", "times"),
    [
        ("lenet5", 20, 1),
        ("resnet8", 32, 2),
        ("mobilenet_v3_small", 64, 1),
        ("squeezenet1_1", 64, 1),
        ("regnet_y_400mf", 32, 1),
    ],
)
def test_a_cut_net_is_replayed_bit_for_bit(arch, size, times, tmp_path):
    net, images = pruned(arch, size, tmp_path / "net", times)
    loaded = checkpoint.load(tmp_path / "net")
    assert len(loaded.edits) == times
    again = checkpoint.module(loaded)
    assert widths(again) == widths(net)
    with torch.inference_mode():
        assert torch.equal(again(images), net(images))


def test_a_cut_net_is_replayed_in_another_process(tmp_path):
    net, images = pruned("resnet8", 32, tmp_path / "net")
    with torch.inference_mode():
        np.save(tmp_path / "logits.npy", net(images).numpy())
    np.save(tmp_path / "images.npy", images.numpy())
    script = """
import pathlib, sys, numpy as np, torch
from edgecls.models import checkpoint
root = pathlib.Path(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
with torch.inference_mode():  # as a server would have it
    net = checkpoint.module(checkpoint.load(root / "net"))
    logits = net(torch.from_numpy(np.load(root / "images.npy"))).numpy()
assert np.array_equal(logits, np.load(root / "logits.npy")), "other logits"
"""
    command = [sys.executable, "-c", script, str(tmp_path), str(torch.get_num_threads())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_edit_says_which_layers_became_narrower(tmp_path):
    net, _ = pruned("resnet8", 32, tmp_path / "net")
    (edit,) = checkpoint.load(tmp_path / "net").edits
    assert (edit["kind"], edit["version"]) == ("prune", 2)
    whole = widths(zoo.build("resnet8", 4, 3, (32, 32)))
    for name, (before, after) in edit["channels"].items():
        assert before == whole[name] > after == widths(net)[name]
    assert edit["channels"]


def test_an_unknown_edit_is_refused(save_net):
    loaded = replace(checkpoint.load(save_net()), edits=({"kind": "prunes", "version": 1},))
    with pytest.raises(UsageError, match="unknown edit: 'prunes'") as caught:
        checkpoint.module(loaded)
    assert "did you mean 'prune'" in caught.value.fix


def test_an_edit_of_another_version_is_refused(save_net):
    loaded = replace(checkpoint.load(save_net()), edits=({"kind": "prune", "version": 9},))
    with pytest.raises(EdgeclsError, match="version 9, this edgecls replays 2") as caught:
        checkpoint.module(loaded)
    assert "install" in caught.value.fix


@pytest.mark.parametrize("history", [None, 5, [["no.such.layer", True, [0]]], [["head"]]])
def test_a_damaged_edit_is_refused(save_net, history):
    edit = {"kind": "prune", "version": 1} | ({} if history is None else {"history": history})
    loaded = replace(checkpoint.load(save_net()), edits=(edit,))
    with pytest.raises(EdgeclsError, match="cannot be done again"):
        checkpoint.module(loaded)


def test_a_checkpoint_of_version_1_is_replayed_as_it_was(tmp_path):
    """It holds torch-pruning's history: made here as the older edgecls made it."""
    import torch_pruning

    torch.manual_seed(2)
    net = zoo.build("resnet8", 4, 3, (32, 32)).eval()
    pruner = torch_pruning.pruner.BasePruner(
        net,
        torch.zeros(1, 3, 32, 32),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=0.4,
        round_to=2,
        ignored_layers=[net.head],
        out_channel_groups={},
        in_channel_groups={},
    )
    pruner.step()
    history = [list(step) for step in pruner.pruning_history()]
    fresh = zoo.build("resnet8", 4, 3, (32, 32))
    edit = {"kind": "prune", "version": 1, "history": history, "channels": {}}
    again = edits.replay(fresh, [edit], (3, 32, 32))
    assert widths(again) == widths(net) and history
    again.load_state_dict(net.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(again.eval()(images), net(images))


@pytest.mark.parametrize(
    "form",
    [
        {"sizes": {"out_channels": 99}, "shapes": {"weight": [99, 1, 3, 3]}},
        {"sizes": {"training": 1}, "shapes": {}},
        {"sizes": {"out_channels": 0}, "shapes": {}},
        {"sizes": {}, "shapes": {"weight": [4]}},
        {"sizes": {}, "shapes": {"forward": [4]}},
        {"sizes": {}},
    ],
)
def test_a_cut_that_is_none_is_refused(save_net, form):
    edit = {"kind": "prune", "version": 2, "layers": {"stem.0": form}}
    loaded = replace(checkpoint.load(save_net()), edits=(edit,))
    with pytest.raises(EdgeclsError, match="cannot be done again"):
        checkpoint.module(loaded)
