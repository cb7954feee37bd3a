"""Which sources there are, and where results may not lie."""

from __future__ import annotations

import os

import pytest

from edgecls.errors import UsageError
from edgecls.pipeline import places


@pytest.mark.parametrize("name", ["digits", "torchvision:cifar10", "torchvision:fashion-mnist"])
def test_what_needs_no_path_is_taken(name, tmp_path):
    places.check(name, tmp_path / "run")


@pytest.mark.parametrize("name", ["x.csv", "x.TSV", "x.parquet", "x.tar.gz", "x.tgz", "x.tar"])
def test_files_of_known_kinds_are_taken_also_beside_the_results(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    places.check(str(tmp_path / name), tmp_path / "runs" / "x")


@pytest.mark.parametrize("name", ["x.zip", "x.jpg", "csv", "tar.gz"])
def test_other_files_are_refused_and_the_known_kinds_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match="is a file, not a folder") as caught:
        places.check(str(tmp_path / name), tmp_path / "run")
    for kind in ("manifest.csv", "MNIST", "CIFAR-100", "Hugging Face", ".tar.gz", "torchvision:"):
        assert kind in caught.value.fix


@pytest.mark.parametrize("name", ["none", "none.csv", "pipe.csv", "folder.csv/none"])
def test_what_is_not_there_is_refused(name, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UsageError, match=r"is not there|is a file"):
        places.check(str(tmp_path / name), tmp_path / "run")


def test_results_never_lie_among_the_images(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(UsageError, match="lies inside"):
        places.check(str(tmp_path / "images"), tmp_path / "images" / "run")
    places.check(str(tmp_path / "images"), tmp_path / "images-run")
