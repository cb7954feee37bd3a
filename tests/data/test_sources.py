from __future__ import annotations

import os
import unicodedata

import pytest

from edgecls.data import scan
from edgecls.errors import DataError


def test_lists_every_class_in_natural_order(folder):
    root = folder({"10": 1, "9": 2, "1/deep/er": 1})
    listing = scan(root)
    assert listing.labels == ("1", "9", "10")
    assert [entry.path for entry in listing.entries] == [
        "1/deep/er/000.png",
        "10/000.png",
        "9/000.png",
        "9/001.png",
    ]
    assert {entry.split for entry in listing.entries} == {None}
    assert listing.entries[0].size_bytes == (root / "1/deep/er/000.png").stat().st_size


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_takes_the_splits_that_the_folders_give(folder, validation):
    listing = scan(folder({"train/a": 1, "train/b": 1, f"{validation}/a": 1, f"{validation}/b": 2}))
    assert listing.labels == ("a", "b")
    assert listing.given_splits == ("train", "validation")
    assert [entry.split for entry in listing.entries].count("validation") == 3


def test_a_class_called_train_is_a_class_where_it_has_no_folders(folder):
    assert scan(folder({"train": 1, "bus": 1})).labels == ("bus", "train")


def test_ignores_what_is_hidden_and_says_what_lies_outside(folder, paint):
    root = folder({"a": 1, "b": 1, ".git": 1, "__MACOSX": 1})
    paint(root / "a/.hidden.png", 1)
    paint(root / "a/.thumbs/1.png", 1)
    (root / "labels.csv").write_text("a,b")
    listing = scan(root)
    assert len(listing.entries) == 2
    assert [skipped.file for skipped in listing.skipped] == ["labels.csv"]


def test_names_in_other_scripts_and_in_no_encoding(folder, paint):
    root = folder({"猫": 1, "собака": 1})
    paint(root / unicodedata.normalize("NFD", "café") / "ß 1.png", 7)
    raw = os.fsencode(root) + b"/caf\xe9"
    os.mkdir(raw)  # noqa: PTH102
    paint(root / "x.png", 8)
    os.rename(os.fsencode(root / "x.png"), raw + b"/\xff.png")  # noqa: PTH104
    listing = scan(root)
    assert unicodedata.normalize("NFC", "café") in listing.labels
    assert {"猫", "собака", r"caf\xe9"} <= set(listing.labels)
    for label in listing.labels:
        label.encode()
    assert all((root / entry.path).is_file() for entry in listing.entries)


def test_one_spelling_of_a_class_in_both_splits(folder):
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    listing = scan(folder({f"train/{composed}": 1, "train/b": 1, f"test/{apart}": 1, "test/b": 1}))
    assert listing.labels == ("b", composed)


def test_follows_links_once_and_lists_loops(folder, tmp_path, paint):
    root = folder({"a": 1, "b": 1})
    paint(tmp_path / "elsewhere/1.png", 50)
    (root / "c").symlink_to(tmp_path / "elsewhere")
    (root / "a/0_loop").symlink_to(root / "a")
    (root / "a/up").symlink_to(root.parent)
    (root / "a/0_other").symlink_to(root / "b")
    (root / "b/itself").symlink_to(root / "b/itself")
    (root / "b/broken").symlink_to(root / "nowhere")
    (root / "b/copy.png").symlink_to(root / "b/000.png")
    listing = scan(root)
    assert [entry.path for entry in listing.entries] == [
        "a/000.png",
        "b/000.png",
        "b/copy.png",
        "c/1.png",
    ]
    reasons = {skipped.file: skipped.reason for skipped in listing.skipped}
    assert set(reasons) == {"a/0_loop", "a/up", "a/0_other", "b/itself", "b/broken"}
    assert reasons["a/0_loop"] == "leads to a again"
    assert reasons["a/up"] == "leads to a folder above it again"
    assert reasons["b/broken"].startswith("broken link")


def test_never_opens_a_pipe(folder):
    root = folder({"a": 1, "b": 1})
    os.mkfifo(root / "a/pipe")
    assert [skipped.reason for skipped in scan(root).skipped] == ["not a regular file"]


def test_a_file_larger_than_any_image_is_skipped(folder):
    root = folder({"a": 1, "b": 1})
    with (root / "a/film.mp4").open("wb") as stream:
        stream.truncate(3 << 30)
    assert "more than an image has" in scan(root).skipped[0].reason


@pytest.mark.parametrize(
    ("counts", "cause"),
    [
        ({"a": 1}, "only one class, 'a'"),
        ({"all/a": 1, "all/b": 1}, "only one class, 'all'"),
        ({"a": 1, "b": 0}, "class folders without a file: 'b'"),
        ({"train/a": 1, "train/b": 1, "val/a": 1, "val/b": 0}, "without a file: 'val/b'"),
        (
            {"train/a": 1, "train/b": 1, "train/c": 1, "test/a": 1, "val/b": 1, "val/d": 1},
            "train lacks 'd'; validation lacks 'a', 'c'; test lacks 'b', 'c', 'd'",
        ),
        ({"train/a": 1, "train/b": 1, "test": 0}, "test lacks 'a', 'b'"),
        ({"val/a": 1, "test/a": 1}, "but no 'train'"),
        ({"train/a": 1, "train/b": 1, "extra/a": 1}, "both splits ('train') and other"),
        ({"train/a": 1, "val/a": 1, "valid/a": 1}, "the validation split 2 times"),
        ({"train": 3, "test": 2}, "5 files lie directly in train and test"),
        ({".": 3}, "no class folders: 3 files lie directly in it"),
        ({".": 0}, "no class folders: it is empty"),
    ],
)
def test_refuses_a_folder_that_cannot_be_used(folder, counts, cause):
    with pytest.raises(DataError) as caught:
        scan(folder(counts))
    assert cause in caught.value.cause
    assert caught.value.fix


def test_says_which_inner_folder_may_have_been_meant(folder):
    with pytest.raises(DataError) as caught:
        scan(folder({"all/a": 1, "all/b": 1}))
    assert "all holds the classes, give that folder" in caught.value.fix


def test_says_why_a_linked_class_is_empty(folder):
    root = folder({"a": 1, "b": 1})
    (root / "c").symlink_to(root / "a")
    with pytest.raises(DataError, match=r"'c' \(c: leads to a again\)"):
        scan(root)


def test_refuses_a_missing_folder_and_a_file(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        scan(tmp_path / "nowhere")
    (tmp_path / "data.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is a file") as caught:
        scan(tmp_path / "data.zip")
    assert "unpack" in caught.value.fix
