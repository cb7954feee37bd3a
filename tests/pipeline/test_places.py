"""Which sources there are, and where results may not lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecls.errors import UsageError
from edgecls.pipeline import places
from edgecls.recipe import parse


@pytest.mark.parametrize("name", ["digits", "torchvision:cifar10", "torchvision:fashion-mnist"])
def test_what_needs_no_path_is_taken(name, tmp_path):
    places.check(name, tmp_path / "run")


@pytest.mark.parametrize("name", ["x.csv", "x.TSV", "x.parquet", "x.tar.gz", "x.tgz", "x.tar"])
def test_files_of_known_kinds_are_taken_also_beside_the_results(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    places.check(str(tmp_path / name), tmp_path / "runs" / "x")


@pytest.mark.parametrize("name", ["x.7z", "x.jpg", "csv", "tar.gz"])
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


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("/proc/x", "nothing can be made in /proc"),
        ("/proc/x/y/z", "nothing can be made in /proc"),
        ("file/x", "file is not a folder"),
        ("file/x/y", "file is not a folder"),
        ("link", "it is a link that leads nowhere"),
        ("a" * 300, "File name too long"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_anything_is_done(
    tmp_path, monkeypatch, name, cause
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for ask in (
        lambda: places.free(Path(name), True, []),
        lambda: places.check("digits", Path(name)),
        lambda: places.check_board(parse({"tensorboard": name})),
    ):
        with pytest.raises(UsageError, match="cannot be written") as caught:
            ask()
        assert cause in caught.value.cause
        assert "choose a place where you may write" in caught.value.fix
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_rights_are_found_by_trying(tmp_path, monkeypatch):
    """As root, who may write everywhere, the system is asked to say no."""

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(places.tempfile, "mkdtemp", refuse)
    with pytest.raises(UsageError, match=f"made in {tmp_path}: Permission denied"):
        places.writable(tmp_path / "runs/x")
    monkeypatch.setattr(places.os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match="you may not write there"):
        places.writable(tmp_path)


@pytest.mark.parametrize("name", ["new", "new/deeper/x", "there", "."])
def test_where_one_may_write_nothing_is_left(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    places.writable(Path(name))
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_tensorboards_files_need_a_folder_outside_of_the_images(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "images").mkdir()
    data = {"path": str(tmp_path / "images")}
    for name, cause in (("file", "is a file, and"), ("images/events", "lies inside the images")):
        with pytest.raises(UsageError, match=cause) as caught:
            places.check_board(parse({"tensorboard": str(tmp_path / name), "data": data}))
        assert "--tensorboard" in caught.value.fix
    places.check_board(parse({"tensorboard": str(tmp_path / "images-events"), "data": data}))
    places.check_board(parse({}))
