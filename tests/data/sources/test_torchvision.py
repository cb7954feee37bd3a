"""torchvision's downloads, with its fetching replaced: the tests have no network."""

from __future__ import annotations

import gzip
from pathlib import Path
from urllib.error import URLError

import pytest

from edgecls.data import is_source, located
from edgecls.data.sources import torchvision
from edgecls.errors import DataError, UsageError


def test_it_is_fetched_once(tmp_path):
    calls = []

    def fetch(class_name, folder):
        calls.append(class_name)
        (folder / "cifar-10-batches-py").mkdir()

    for _ in range(2):
        found = torchvision.download("cifar10", tmp_path, fetch)
        assert found == tmp_path / "cifar10/cifar-10-batches-py"
    assert calls == ["CIFAR10"]
    assert [path.name for path in tmp_path.iterdir()] == ["cifar10"]


@pytest.mark.parametrize(
    "error", [URLError("no route"), RuntimeError("Error downloading"), TimeoutError(), OSError()]
)
def test_without_a_network_it_says_which_files_to_put_where(tmp_path, error):
    def fetch(class_name, folder):
        (folder / "half").write_text("half a file")
        raise error

    with pytest.raises(DataError, match="torchvision:mnist cannot be downloaded") as caught:
        torchvision.download("mnist", tmp_path, fetch)
    assert f"into {tmp_path / 'mnist'}" in caught.value.fix
    assert "train-images-idx3-ubyte.gz" in caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_files_that_were_put_there_are_taken(tmp_path):
    for name in torchvision.DATASETS["mnist"].files:
        path = tmp_path / "mnist" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(b""))
    assert torchvision.download("mnist", tmp_path, None) == tmp_path / "mnist"
    (tmp_path / "cifar100").mkdir()
    (tmp_path / "cifar100/cifar-100-python.tar.gz").write_bytes(b"")
    found = torchvision.download("cifar100", tmp_path, None)
    assert found == tmp_path / "cifar100/cifar-100-python.tar.gz"


def test_a_faster_process_is_no_harm(tmp_path):
    def fetch(class_name, folder):
        (tmp_path / "eurosat/eurosat/2750/Forest").mkdir(parents=True)
        (folder / "eurosat/2750/Forest").mkdir(parents=True)

    found = torchvision.download("eurosat", tmp_path, fetch)
    assert found == tmp_path / "eurosat/eurosat/2750"
    assert [path.name for path in tmp_path.iterdir()] == ["eurosat"]


def test_other_files_than_expected_are_told(tmp_path):
    with pytest.raises(DataError, match="other files came"):
        torchvision.download("cifar10", tmp_path, lambda class_name, folder: None)


def test_every_name_is_one_of_torchvision():
    from torchvision import datasets

    for dataset in torchvision.DATASETS.values():
        assert hasattr(datasets, dataset.class_name)


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert torchvision.cache() == tmp_path / "edgecls/torchvision"
    monkeypatch.setenv("HOME", "/home/somebody")
    for ignored in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert torchvision.cache() == Path("/home/somebody/.cache/edgecls/torchvision")


def test_a_name_that_is_not_known_gets_the_nearest():
    with pytest.raises(UsageError) as caught:
        is_source("torchvision:cifar01")
    assert "did you mean 'cifar10'" in caught.value.fix


def test_other_sources_are_paths():
    assert located("images/torchvision:x") == Path("images/torchvision:x")
    assert not is_source("images")


def test_its_own_folder_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "edgecls/torchvision/cifar10/cifar-10-batches-py"
    folder.mkdir(parents=True)
    assert located("torchvision:cifar10") == folder
