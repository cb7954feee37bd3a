from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from edgecls.data import scan
from edgecls.data.inspection import ALL, Sizes, inspect
from edgecls.errors import DataError
from edgecls.report.inspection import facts, page, summary


@pytest.fixture
def look(folder):
    def run(root):
        return inspect(scan(root), str(root))[0]

    return run


def test_it_counts_by_class_and_split(folder, look):
    found = look(folder({"train/a": 8, "train/b": 2, "test/a": 3, "test/b": 1}))
    assert found.counts == {"train": {"a": 8, "b": 2}, "test": {"a": 3, "b": 1}}
    assert found.imbalance == pytest.approx(11 / 3)
    assert found.num_images == found.num_files == 14


def test_without_given_splits_there_is_one_column(folder, look):
    assert look(folder({"a": 2, "b": 1})).counts == {ALL: {"a": 2, "b": 1}}


def test_sizes_are_of_the_upright_images_and_modes_of_the_stored_ones(folder, look):
    root = folder({"a": 3, "b": 3})
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = np.random.default_rng(5).integers(0, 256, (20, 60, 3), np.uint8)
    Image.fromarray(noise).save(root / "a/turned.jpg", exif=exif)
    Image.fromarray(noise[..., 0]).save(root / "a/gray.png")
    Image.fromarray(noise).convert("CMYK").save(root / "b/print.jpg")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 256).save(root / "b/deep.png")
    found = look(root)
    assert found.widths == Sizes(12, 12, 60)
    assert found.heights == Sizes(10, 10, 60)
    assert found.num_exif_rotated == 1
    assert found.formats == {"PNG": 8, "JPEG": 2}
    assert found.modes == {"RGB": 7, "L": 1, "CMYK": 1, "I;16": 1}
    assert found.num_animated == 0


def test_copies_are_told_apart_by_where_they_are(folder, look, paint):
    root = folder({"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2})
    for path, number in (("train/a/x.png", 0), ("train/a/y.bmp", 8), ("train/b/z.png", 1)):
        paint(root / path, number)
    found = look(root)

    def pairs(rows):
        return [(row.file, row.same_as) for row in rows]

    assert pairs(found.within) == [("train/a/x.png", "train/a/000.png")]
    assert pairs(found.across) == [("train/a/y.bmp", "test/a/000.png")]
    assert pairs(found.contradictions) == [("train/b/z.png", "train/a/001.png")]


def test_corrupt_files_and_those_left_out_are_listed_apart(folder, look):
    root = folder({"a": 2, "b": 2})
    (root / "a/cut.png").write_bytes((root / "a/000.png").read_bytes()[:80])
    (root / "b/zero.jpg").write_bytes(b"")
    (root / "b/dangling").symlink_to("nowhere")
    found = look(root)
    assert [(row.file, bool(row.reason)) for row in found.corrupt] == [
        ("a/cut.png", True),
        ("b/zero.jpg", True),
    ]
    assert [row.file for row in found.skipped] == ["b/dangling"]
    assert (found.num_files, found.num_images) == (6, 4)


def test_a_class_without_an_image_is_no_error_here(folder, look):
    root = folder({"a": 2, "b": 0})
    (root / "b/zero.jpg").write_bytes(b"")
    found = look(root)
    assert found.imbalance is None
    assert "a class is empty" in summary(found)


def test_what_no_training_would_take_is_what_is_seen(folder, paint):
    root = folder({"train/a": 2, "train/b": 0, "test/a": 1, "test/c": 0})
    with pytest.raises(DataError, match="do not have the same classes"):
        scan(root)
    found = inspect(scan(root, lenient=True), "x")[0]
    assert found.labels == ("a", "b", "c")
    assert found.counts["train"] == {"a": 2, "b": 0, "c": 0}
    assert found.empty == ("b in train", "c in train", "b in test", "c in test")
    assert [(row.file, row.reason) for row in found.skipped] == [
        ("test/c", "a class folder without a file"),
        ("train/b", "a class folder without a file"),
    ]
    assert dict(facts(found))["Classes without an image"].startswith("'b in train', 'c in train'")


def test_an_empty_class_and_a_single_one_are_no_error_here(folder):
    cases = (({"a": 2, "b": 0}, ("b",), "a class is"), ({"c": 0}, ("b", "c"), "2 classes are"))
    for counts, empty, told in cases:
        root = folder(counts)
        with pytest.raises(DataError, match="without a file"):
            scan(root)
        found, sheet = inspect(scan(root, lenient=True), "x")
        assert found.empty == empty and f"{told} empty" in summary(found)
        assert "Classes without an image" in page(found, sheet)
    (root / "a").rename(root.parent / "a")
    (root / "b").rmdir()
    (root / "c").rmdir()
    (root.parent / "a").rename(root / "only")
    assert scan(root, lenient=True).labels == ("only",)
    with pytest.raises(DataError, match="only one class"):
        scan(root)


def test_nothing_to_look_at_at_all_is_still_an_error(tmp_path):
    for name in ("none", "empty"):
        with pytest.raises(DataError, match=r"no class folders|does not exist"):
            scan(tmp_path / name, lenient=True)
        (tmp_path / "empty").mkdir(exist_ok=True)


def test_the_sheet_is_the_same_each_time_and_small_images_are_not_blurred(folder):
    root = folder({"a": 14, "b": 3})
    sheets = [inspect(scan(root), "x", workers=workers)[1] for workers in (1, 3)]
    assert sheets[0] == sheets[1]
    assert sheets[0].labels == ("a", "b") and sheets[0].columns == 10


def test_names_from_outside_are_text_in_the_page(folder, paint):
    root = folder({"a": 2, "<script>alert(1)</script>\u202e": 2})
    (root / "a/<img src=x>\x07.jpg").write_bytes(b"")
    listing = scan(root)
    found, sheet = inspect(listing, "<b>source</b>")
    text = page(found, sheet)
    assert "<script>alert" not in text and "<img" not in text and "<b>source" not in text
    assert "&lt;img src=x&gt;\\x07.jpg" in text
    assert "data:image/jpeg;base64," in text
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "http" not in text.replace("http-equiv", "")
    json.dumps(found.to_json())
