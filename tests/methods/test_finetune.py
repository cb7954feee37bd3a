"""Fine-tuning begins with pretrained weights and changes only what it is told to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from edgecls.device.meta import sha256
from edgecls.errors import EdgeclsError, UsageError
from edgecls.methods.finetune import METHOD, FinetuneOptions, frozen_norms, parts_of
from edgecls.models import checkpoint, pretrained, weights, zoo
from edgecls.recipe import validated


@pytest.fixture(scope="session")
def published_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of mobilenet_v3_small for 1,000 classes and colour, as torchvision would publish it.

    Of random weights: its name ends with the begin of its sha256, its folder is like torch's.
    """
    folder = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    net = zoo.build("mobilenet_v3_small", 1000, 3, (32, 32))
    torch.save(net.state_dict(), folder / "part")
    return (folder / "part").rename(
        folder / f"mobilenet_v3_small-{sha256(str(folder / 'part'))[:8]}.pth"
    )


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / checkpoint.WEIGHTS)


def changed(before: dict[str, torch.Tensor], folder: Path) -> set[str]:
    after = tensors(folder)
    assert set(after) == set(before)
    return {name for name in after if not torch.equal(after[name], before[name])}


def test_a_file_of_torchvisions_is_found_by_name_and_fitted(apply, published_file, monkeypatch):
    published = weights.published_for("mobilenet_v3_small")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(published_file.parents[1]))
    there = weights.Published("V1", published.url, published_file, published.normalisation)
    monkeypatch.setattr(weights, "_all_published", lambda arch: {"IMAGENET1K_V1": there})
    folder = apply("finetune", arch="mobilenet_v3_small_32", weights="IMAGENET1K_V1")
    made = checkpoint.load(folder)
    assert made.arch == "mobilenet_v3_small_32" and made.input_shape == (1, 32, 32)
    assert made.provenance["options"]["weights"] == "IMAGENET1K_V1"
    account = json.loads((folder / pretrained.ACCOUNT).read_text())
    assert account["fresh"] == ["classifier.3.weight", "classifier.3.bias"]
    assert account["adapted"][0] == "features.0.0.weight" and not account["missing"]


@pytest.mark.parametrize("freeze", ["backbone", "2"])
def test_what_is_frozen_stays_to_the_bit(apply, tiny_checkpoint, freeze):
    options = {"arch": "resnet8", "weights": str(tiny_checkpoint), "freeze": freeze}
    found = changed(tensors(tiny_checkpoint), apply("finetune", **options))
    if freeze == "backbone":
        assert found == {"head.weight", "head.bias"}
    else:
        assert not any(name.startswith(("stem.", "body.0.")) for name in found)
        assert {"body.1.conv1.weight", "body.2.conv2.weight", "head.weight"} <= found


def test_norms_that_learn_do_so_in_a_frozen_backbone(apply, tiny_checkpoint):
    options = {"arch": "resnet8", "weights": str(tiny_checkpoint), "freeze": "backbone"}
    found = changed(tensors(tiny_checkpoint), apply("finetune", **options, norms="learn"))
    statistics = {
        n for n in found if n.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }
    assert found - statistics == {"head.weight", "head.bias"} and statistics


def test_groups_join_from_the_head_down(apply, tiny_checkpoint):
    options = {"arch": "resnet8", "weights": str(tiny_checkpoint), "unfreeze_every": 1}
    options |= {"epochs": 2, "keep": "last"}
    found = changed(tensors(tiny_checkpoint), apply("finetune", **options))
    names = {name.rpartition(".")[0] for name in found if name.endswith("weight")}
    assert "head" in names and "body.2.shortcut.0" in names
    assert not names & {"stem.0", "body.0.conv1", "body.1.conv1", "body.2.conv1"}


def test_adapters_are_merged_into_a_plain_checkpoint(apply, tiny_checkpoint):
    pytest.importorskip("peft")
    options = {"arch": "resnet8", "weights": str(tiny_checkpoint), "lora_rank": 2}
    folder = apply("finetune", **options, lr=1.0)
    found = changed(tensors(tiny_checkpoint), folder)
    assert {"stem.0.weight", "body.1.conv1.weight", "head.bias"} <= found
    assert not any(".bn" in name or "running" in name for name in found)
    net = checkpoint.module(checkpoint.load(folder))
    assert type(net).__name__ == "SmallResNet"


def test_a_low_learning_rate_stays_near_the_pretrained_net(apply, tiny_checkpoint):
    """The checkpoint's own head is kept: with almost no training it is the same net."""
    options = {"arch": "resnet8", "weights": str(tiny_checkpoint), "lr": 1e-9, "norms": "frozen"}
    after = tensors(apply("finetune", **options))
    for name, tensor in tensors(tiny_checkpoint).items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=1e-5)


def test_weights_of_another_net_are_refused(apply, tiny_checkpoint):
    with pytest.raises(EdgeclsError, match="does not fit this net"):
        apply("finetune", arch="lenet5", weights=str(tiny_checkpoint))


def test_another_content_of_the_file_is_another_training(tmp_path, tiny_checkpoint):
    file = tmp_path / "w.pth"
    file.write_bytes(b"one")
    options = FinetuneOptions(weights=str(file))
    first = options.model_dump()["weights_sha256"]
    assert first == sha256(str(file))
    file.write_bytes(b"two")
    assert options.model_dump()["weights_sha256"] != first
    whole = FinetuneOptions(weights=str(tiny_checkpoint)).weights_sha256
    assert whole == sha256(str(tiny_checkpoint / checkpoint.JSON))
    assert FinetuneOptions().weights_sha256 == ""
    assert "weights_sha256" not in FinetuneOptions.model_fields


@pytest.mark.parametrize("value", ["all", "-1", "1.5", "", -1, 1.5, True])
def test_freeze_is_a_word_or_a_number(value):
    with pytest.raises(UsageError, match="freeze is") as caught:
        validated(METHOD.Options, {"freeze": value}, "models.x")
    assert value is True or "a number of the first groups" in caught.value.fix
    assert validated(METHOD.Options, {"freeze": 4}).freeze == "4"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({"freeze": "backbone"}, True),
        ({"freeze": "3"}, True),
        ({"unfreeze_every": 1}, True),
        ({"lora_rank": 4}, True),
        ({"freeze": "backbone", "norms": "learn"}, False),
        ({"norms": "frozen"}, True),
    ],
)
def test_norms_are_frozen_where_layers_are_unless_told(options, expected):
    assert frozen_norms(FinetuneOptions(**options)) is expected


def test_layers_near_the_image_learn_slower():
    net = zoo.build("resnet8", 10, 1, (32, 32))
    found = parts_of(net, FinetuneOptions(arch="resnet8", layer_decay=0.5))
    rates = [part.lr_scale for part in found]
    assert rates == [0.5**i for i in reversed(range(len(found)))]
    assert parts_of(net, FinetuneOptions(arch="resnet8", lora_rank=2)) == []


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"lora_alpha": 4.0}, "lora_alpha has no effect"),
        ({"lora_rank": 2, "freeze": "backbone"}, "freeze has no effect"),
        ({"lora_rank": 2, "unfreeze_every": 1}, "unfreeze_every has no effect"),
        ({"lora_rank": 2, "layer_decay": 0.5}, "layer_decay has no effect"),
    ],
)
def test_an_option_without_effect_is_refused(options: dict[str, object], cause: str):
    with pytest.raises(UsageError) as caught:
        validated(FinetuneOptions, options, "finetune")
    assert caught.value.cause == f"finetune: {cause}"
    assert "lora_rank" in caught.value.fix and "Value error" not in str(caught.value)
