"""Weights are found by torchvision's names without a network, or in a file; nothing unpickled."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from edgecls.errors import EdgeclsError, UsageError
from edgecls.models import checkpoint, weights, zoo


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """torch's own folder of weights, empty; a download is refused as without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    return tmp_path / "torch" / "hub" / "checkpoints"


def save_hashed(state: dict[str, torch.Tensor], folder: Path) -> Path:
    """A file as torchvision publishes them: its name ends with the begin of its sha256."""
    folder.mkdir(parents=True)
    torch.save(state, folder / "part")
    digest = weights.sha256(str(folder / "part"))
    return (folder / "part").rename(folder / f"resnet18-{digest[:8]}.pth")


def test_names_are_those_of_torchvision_in_torchs_own_folder(hub):
    found = weights.published_for("resnet18", "IMAGENET1K_V1")
    assert found == weights.published_for("resnet18", "ResNet18_Weights.IMAGENET1K_V1")
    assert found.file == hub / "resnet18-f37072fd.pth"
    assert found.url == "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert found.normalisation == weights.IMAGENET and not found.is_here
    assert weights.published_for("resnet18") == found
    assert weights.published_for("resnet50").name.endswith("IMAGENET1K_V2")


def test_weights_that_a_net_normalises_inside_say_so(hub):
    assert weights.published_for("inception_v3").normalisation == weights.CENTRED
    assert weights.published_for("efficientnet_v2_l").normalisation == weights.CENTRED


def test_a_variant_has_the_weights_of_its_origin(hub):
    variant = weights.published_for("mobilenet_v2_32")
    assert variant.url == weights.published_for("mobilenet_v2").url


def test_an_unknown_name_is_refused_with_the_nearest(hub):
    with pytest.raises(UsageError, match="unknown weights of resnet18: 'IMAGENET1K_V3'") as caught:
        weights.read("resnet18", "IMAGENET1K_V3")
    assert "did you mean 'IMAGENET1K_V1'" in caught.value.fix


@pytest.mark.parametrize("arch", ["resnet8", "timm/resnet18"])
def test_a_net_without_published_weights_is_refused(hub, arch):
    with pytest.raises(UsageError, match=f"torchvision has no weights for {arch}") as caught:
        weights.read(arch, "DEFAULT")
    assert "FILE" in caught.value.fix


def test_without_a_network_the_file_the_address_and_the_folder_are_named(hub):
    with pytest.raises(EdgeclsError, match="cannot be downloaded: no network") as caught:
        weights.read("resnet18", "DEFAULT")
    assert caught.value.fix == (
        "get resnet18-f37072fd.pth from https://download.pytorch.org/models/resnet18-f37072fd.pth "
        f"on another machine and put it into {hub}"
    )
    assert not list(hub.iterdir())


def test_a_file_that_is_there_is_read_without_a_network(hub, monkeypatch):
    state = {"fc.bias": torch.arange(3.0)}
    file = save_hashed(state, hub)
    there = weights.Published("resnet18 X", "https://host/x", file, weights.IMAGENET)
    monkeypatch.setattr(weights, "_all_published", lambda arch: {"X": there})
    found = weights.read("resnet18", "X")
    assert torch.equal(found.tensors["fc.bias"], state["fc.bias"])
    assert found.normalisation == weights.IMAGENET and file.name in found.source


def test_a_damaged_download_is_refused(hub):
    hub.mkdir(parents=True)
    torch.save({"fc.bias": torch.zeros(3)}, hub / "resnet18-f37072fd.pth")
    with pytest.raises(EdgeclsError, match="does not begin with f37072fd") as caught:
        weights.read("resnet18", "IMAGENET1K_V1")
    assert "delete it" in caught.value.fix


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
def test_a_file_of_the_users_is_read(tmp_path, name):
    state = {"a.weight": torch.rand(2, 3)}
    if name.endswith("safetensors"):
        save_file(state, tmp_path / name)
    else:
        torch.save(state, tmp_path / name)
    found = weights.read("resnet8", str(tmp_path / name))
    assert torch.equal(found.tensors["a.weight"], state["a.weight"])
    assert found.source.startswith(f"{name} (")


@pytest.mark.parametrize("key", ["state_dict", "model", "net"])
def test_a_training_scripts_file_is_unwrapped(tmp_path, key):
    torch.save({key: {"module.a": torch.ones(1)}, "epoch": 3}, tmp_path / "w.pth")
    assert list(weights.read("resnet8", str(tmp_path / "w.pth")).tensors) == ["a"]


class Poison:
    def __reduce__(self):
        return os.mkdir, (os.environ["EDGECLS_TEST_POISON"],)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_poisoned_pickle_is_refused_and_runs_nothing(tmp_path, monkeypatch, legacy):
    monkeypatch.setenv("EDGECLS_TEST_POISON", str(tmp_path / "poisoned"))
    path = tmp_path / "w.pth"
    torch.save({"a": Poison()}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(EdgeclsError, match="holds no plain tensors"):
        weights.read("resnet18", str(path))
    assert not (tmp_path / "poisoned").exists()


# Pickle's opcodes among them: h gets what was never put, a appends to nothing, K lacks its byte.
@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 garbage", b"hello", b"a", b"K"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_broken_file_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EdgeclsError, match="holds no plain tensors") as caught:
        weights.read("resnet18", str(tmp_path / name))
    assert "\n" not in caught.value.cause


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": 1}, {"a": torch.ones(1), 3: torch.ones(1)}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(EdgeclsError, match="holds"):
        weights.read("resnet18", str(tmp_path / "w.pth"))


@pytest.mark.parametrize("name", ["missing.pth", "no/such", "w.safetensors"])
def test_a_file_that_is_not_there_is_a_usage_error(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"the weights {name} are not there"):
        weights.read("resnet18", name)


def test_a_checkpoint_gives_its_tensors_and_its_normalisation(save_net):
    folder = save_net("resnet8")
    found = weights.read("resnet8", str(folder))
    assert found.normalisation == ((0.5,), (0.25,))
    assert set(found.tensors) == set(zoo.build("resnet8", 4, 1, (20, 20)).state_dict())


def test_a_cut_checkpoint_is_refused(save_net):
    folder = save_net("resnet8")
    path = folder / checkpoint.JSON
    record = json.loads(path.read_text()) | {"edits": [{"kind": "prune", "version": 1}]}
    path.write_text(json.dumps(record))
    with pytest.raises(UsageError, match=r"was changed after its training \(prune\)"):
        weights.read("resnet8", str(folder))
