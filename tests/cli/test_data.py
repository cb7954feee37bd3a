"""``edgecls data inspect`` and the other sources of ``--data``."""

from __future__ import annotations

import json
import shutil

import pytest


def test_inspect_shows_a_table_and_writes_a_page(edgecls, digit_images, tmp_path):
    ended = edgecls("data", "inspect", digit_images, "--out", tmp_path / "seen")
    assert ended.status == 0, ended.err
    assert "120 of 120 files are images that can be used, in 10 classes" in ended.out
    assert ended.out.splitlines()[-1] == f"page: {tmp_path / 'seen' / 'inspection.html'}"
    text = (tmp_path / "seen/inspection.html").read_text()
    assert "data:image/jpeg;base64," in text
    figures = json.loads((tmp_path / "seen/inspection.json").read_text())
    assert figures["counts"] == {"images": {str(n): 12 for n in range(10)}}


def test_an_earlier_inspection_stays_unless_it_is_to_be_replaced(edgecls, digit_images, tmp_path):
    inspect = ("data", "inspect", digit_images, "--out")
    assert edgecls(*inspect, "seen").status == 0
    seen = tmp_path / "cwd/seen"
    (seen / "inspection.html").write_text("my notes")
    again = edgecls(*inspect, "seen")
    assert again.status == 2 and "seen exists already" in again.err and "--force" in again.err
    assert (seen / "inspection.html").read_text() == "my notes"
    assert edgecls(*inspect, "seen", "--force").status == 0
    assert sorted(path.name for path in seen.iterdir()) == ["inspection.html", "inspection.json"]
    assert (seen / "inspection.html").read_text() != "my notes"


def test_what_is_not_ours_is_never_replaced(edgecls, digit_images, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis").write_text("years of work")
    shutil.copytree(digit_images, tmp_path / "whole/images")
    (tmp_path / "whole/inspection.json").write_text("{}")
    inspect = ("data", "inspect", tmp_path / "whole/images", "--force", "--out")
    ended = edgecls(*inspect, tmp_path / "mine")
    assert ended.status == 2 and "replaces nothing else" in ended.err
    ended = edgecls(*inspect, tmp_path / "whole")
    assert ended.status == 2 and "which it would replace" in ended.err
    assert (tmp_path / "mine/thesis").read_text() == "years of work"


def test_an_empty_class_is_reported_and_a_training_refuses_it(edgecls, digit_images, tmp_path):
    root = shutil.copytree(digit_images, tmp_path / "images")
    (root / "ten").mkdir()
    ended = edgecls("data", "inspect", root)
    assert ended.status == 0, ended.err
    assert "left out: ten: a class folder without a file" in ended.out
    assert "in 11 classes; a class is empty." in ended.out
    assert "cannot be trained on yet: no image can be used of 'ten'" in ended.out
    ended = edgecls("train", "--data", root)
    assert ended.status == 1 and "class folders without a file: 'ten'" in ended.err
    archive = shutil.make_archive(str(tmp_path / "digits"), "gztar", root)
    ended = edgecls("data", "inspect", archive, "--json")
    assert json.loads(ended.out)["counts"]["images"]["ten"] == 0
    ended = edgecls("train", "--data", archive)
    assert ended.status == 1 and "class folders without a file: 'ten'" in ended.err


def test_too_little_to_train_on_is_told_before(edgecls, digit_images, tmp_path):
    shutil.copytree(digit_images / "3", tmp_path / "one/3")
    for image in sorted((tmp_path / "one/3").iterdir())[2:]:
        image.unlink()
    ended = edgecls("data", "inspect", tmp_path / "one", "--out", tmp_path / "seen")
    assert ended.status == 0, ended.err
    assert "in 1 class;" in ended.out
    assert "cannot be trained on yet: there is only one class" in ended.out
    assert "cannot be trained on yet: too few images" in ended.out and "'3 (2)'" in ended.out
    assert "only one class" in (tmp_path / "seen/inspection.html").read_text()


def test_an_error_of_a_packed_source_names_what_the_user_gave(edgecls, digit_images, tmp_path):
    (tmp_path / "one").mkdir()
    shutil.copytree(digit_images / "3", tmp_path / "one/train/3")
    archive = shutil.make_archive(str(tmp_path / "one"), "gztar", tmp_path / "one")
    ended = edgecls("train", "--data", archive)
    assert ended.status == 1
    assert f"error: {archive} has only one class, '3'" in ended.err
    assert ".store" not in ended.err


def test_names_from_outside_stay_on_their_line(edgecls, digit_images, tmp_path):
    root = shutil.copytree(digit_images, tmp_path / "images")
    (root / "3" / "a\nleft out: \x1b[2J\u202e.png").write_bytes(b"")
    ended = edgecls("data", "inspect", root)
    line = "left out: 3/a\\nleft out: \\x1b[2J\\u202e.png: empty file"
    assert line in ended.out.splitlines()


def test_inspect_prints_json_alone(edgecls, digit_images):
    ended = edgecls("data", "inspect", digit_images, "--json")
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["num_images"] == 120


def test_inspect_takes_an_archive_and_a_table(edgecls, digit_images, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "digits"), "gztar", digit_images)
    table = tmp_path / "cwd/table.csv"
    shutil.copytree(digit_images, tmp_path / "cwd/images")
    files = sorted((tmp_path / "cwd/images").rglob("*.png"))
    lines = [f"{file.relative_to(table.parent)},{file.parent.name}" for file in files]
    table.write_text("path,label\n" + "\n".join(lines))
    for source in (archive, table):
        ended = edgecls("data", "inspect", source, "--json")
        assert ended.status == 0, ended.err
        assert json.loads(ended.out)["num_images"] == 120


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["no/such"], 2, "is not there"),
        (["torchvision:cifar11"], 2, "did you mean 'cifar10'"),
        (["{file}"], 2, "is a file, not a folder"),
        (["{images}", "--out", "{images}/seen"], 2, "lies inside the images' folder"),
        (["{empty}"], 1, "no class folders"),
        (["{archive}"], 1, "cannot be unpacked"),
        (["{table}"], 1, "no column 'path'"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_is_asked_wrongly_ends_with_a_sentence(
    edgecls, digit_images, tmp_path, arguments, status, text
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "x.tar.gz").write_text("mine")
    (tmp_path / "x.csv").write_text("mine")
    names = {
        "images": digit_images,
        "empty": tmp_path / "empty",
        "file": tmp_path / "file",
        "archive": tmp_path / "x.tar.gz",
        "table": tmp_path / "x.csv",
    }
    ended = edgecls("data", "inspect", *(word.format(**names) for word in arguments))
    assert (ended.status, ended.out) == (status, "")
    assert text in ended.err and "Traceback" not in ended.err
    if status == 1 and "class folders" in text:
        assert "manifest.csv" in ended.err and "CIFAR-10" in ended.err


def test_a_download_without_a_network_says_where_files_go(edgecls, monkeypatch, tmp_path):
    from edgecls.data.sources import torchvision

    def fetch(class_name, folder):
        raise OSError("no network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(torchvision, "_fetch", fetch)
    ended = edgecls("data", "inspect", "torchvision:cifar10")
    assert ended.status == 1
    assert "cannot be downloaded: no network" in ended.err
    assert (
        f"put cifar-10-python.tar.gz into {tmp_path}/cache/edgecls/torchvision/cifar10" in ended.err
    )


def test_a_training_takes_what_was_packed(edgecls, digit_images, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "digits"), "gztar", digit_images)
    command = ("train", "--data", archive, "--arch", "lenet5", "--epochs", 1)
    quick = ("--set", "threads=1", "--set", "data.cache_gb=0.0001")
    ended = edgecls(*command, *quick, "--out", "net")
    assert ended.status == 0, ended.err
    assert "unpacking the images" in ended.err
    again = edgecls(*command, *quick, "--out", "net2")
    assert again.status == 0, again.err
    assert "unpacking the images" not in again.err
