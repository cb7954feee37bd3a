from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from edgecls.core import Dataset
from edgecls.data import SplitFractions, describe, fingerprint, golden, load, prepare, scan
from edgecls.device.preprocess import Preprocess
from edgecls.errors import DataError

SPLITS = ("train", "validation", "test", "calibration")


def _prepare(root, out, preprocess, **options):
    prepare(root, preprocess, SplitFractions(), 0, out, **options)
    return load(out)


def test_the_arrays_are_the_tensors_of_the_files_that_are_listed(folder, small, tmp_path):
    root = folder({"10": 20, "9": 15, "2": 10})
    data = _prepare(root, tmp_path / "out", small, calibration=9)
    assert isinstance(data, Dataset)
    assert data.labels == ("2", "9", "10")
    assert data.preprocess == small
    described = describe(tmp_path / "out")
    for split in SPLITS:
        images, classes = data[split]
        assert images.dtype == np.uint8
        assert classes.dtype == np.int64
        rows = described["splits"][split]
        assert len(rows) == len(images) == len(classes)
        for row, image, label in zip(rows, images, classes, strict=True):
            assert np.array_equal(small.load(root / row["path"]), image)
            assert data.labels[label] == row["path"].split("/")[0]
        assert sum(described["counts"][split].values()) == len(images)
    assert len(data["calibration"][0]) == 9
    assert data.fingerprint == fingerprint(scan(root))


def test_the_folder_holds_nothing_else_and_the_arrays_are_mapped_read_only(folder, small, tmp_path):
    data = _prepare(folder({"a": 9, "b": 9}), tmp_path / "out", small)
    names = {f"{split}{kind}.npy" for split in SPLITS for kind in ("", "_classes")}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names | {
        "data.json",
        "golden",
        "contact.jpg",
    }
    images = data["train"][0]
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable


def test_the_result_is_the_same_bytes_with_any_number_of_threads(folder, small, tmp_path):
    root = folder({"a": 12, "b": 12})
    for workers in (0, 1, 5):
        _prepare(root, tmp_path / str(workers), small, workers=workers)
    first = {p.name: p.read_bytes() for p in (tmp_path / "0").rglob("*") if p.is_file()}
    for workers in ("1", "5"):
        other = {p.name: p.read_bytes() for p in (tmp_path / workers).rglob("*") if p.is_file()}
        assert other == first


def test_golden_images_come_from_train_and_give_its_tensors(folder, tmp_path):
    preprocess = Preprocess((7, 5), resize="shortest", crop_ratio=0.8, mode="BGR")
    root = folder({f"c{n}": 6 for n in range(10)})
    data = _prepare(root, tmp_path / "out", preprocess)
    described = describe(tmp_path / "out")
    assert len(data.golden) == len(described["golden"]) == 8
    train = {row["path"]: index for index, row in enumerate(described["splits"]["train"])}
    for png, row in zip(data.golden, described["golden"], strict=True):
        tensor = data["train"][0][train[row["path"]]]
        assert np.array_equal(preprocess.load(png), tensor)
    assert len({row["path"].split("/")[0] for row in described["golden"]}) == 8


def test_golden_images_are_small_where_there_are_small_ones(folder, small, tmp_path, monkeypatch):
    root = folder({"a": 9, "b": 9})
    for index in range(6):
        Image.new("RGB", (40, 30 + index)).save(root / f"a/large{index}.png")
    monkeypatch.setattr(golden, "MAX_PIXELS", 500)
    _prepare(root, tmp_path / "out", small)
    chosen = describe(tmp_path / "out")["golden"]
    assert len(chosen) == 8
    assert not any("large" in row["path"] for row in chosen)
    monkeypatch.setattr(golden, "MAX_PIXELS", 10)
    assert len(_prepare(root, tmp_path / "all", small).golden) == 8


def test_golden_images_stop_at_a_total_size_but_are_never_none(
    folder, small, tmp_path, monkeypatch
):
    monkeypatch.setattr(golden, "MAX_TOTAL_BYTES", 1)
    assert len(_prepare(folder({"a": 9, "b": 9}), tmp_path / "out", small).golden) == 1


def test_a_file_that_changes_meanwhile_is_an_error(folder, small, tmp_path, monkeypatch):
    root = folder({"a": 9, "b": 9})
    monkeypatch.setattr(golden, "read", lambda path: (root / "a/000.png").read_bytes())
    with pytest.raises(DataError, match="no longer gives the tensor"):
        _prepare(root, tmp_path / "out", small)
    assert list((tmp_path / "out").iterdir()) == []


def test_damaged_files_are_listed_and_left_out(folder, small, tmp_path):
    root = folder({"a": 9, "b": 9})
    whole = root / "a/photo.jpg"
    Image.open(root / "a/000.png").resize((99, 99)).save(whole)
    (root / "a/cut.jpg").write_bytes(whole.read_bytes()[:-500])
    whole.unlink()
    (root / "a/zero.png").write_bytes(b"")
    (root / "b/notes.jpg").write_text("not an image at all")
    (root / "b/.DS_Store").write_bytes(b"hidden")
    raw = os.fsencode(root) + b"/b/\xff.png"
    shutil.copy(root / "b/000.png", raw)
    data = _prepare(root, tmp_path / "out", small)
    described = describe(tmp_path / "out")
    reasons = {row["file"]: row["reason"] for row in described["skipped"]}
    assert set(reasons) == {"a/cut.jpg", "a/zero.png", "b/notes.jpg"}
    assert reasons["a/zero.png"] == "empty file"
    assert "truncated" in reasons["a/cut.jpg"]
    assert "not an image" in reasons["b/notes.jpg"]
    assert described["duplicates"] == [{"file": r"b/\xff.png", "same_as": "b/000.png"}]
    assert sum(len(data[split][0]) for split in SPLITS[:3]) == 18
    assert data.fingerprint == fingerprint(scan(root))


def test_a_class_of_which_nothing_can_be_decoded_is_an_error(folder, small, tmp_path):
    root = folder({"a": 9, "b": 0})
    (root / "b/1.jpg").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        _prepare(root, tmp_path / "out", small)
    assert "class 'b' has no image that can be used: b/1.jpg: empty file" in caught.value.cause
    assert list((tmp_path / "out").iterdir()) == []


def test_the_same_pixels_in_two_given_splits(folder, small, tmp_path):
    root = folder({"train/a": 9, "train/b": 9, "test/a": 3, "test/b": 3})
    Image.open(root / "test/a/000.png").save(root / "train/a/again.bmp")
    with pytest.raises(DataError, match=r"train/a/again\.bmp = test/a/000.png"):
        _prepare(root, tmp_path / "out", small)
    data = _prepare(root, tmp_path / "dropped", small, leaks="drop")
    assert len(data["test"][0]) == 6
    assert len(data["train"][0]) + len(data["validation"][0]) == 18
    assert describe(tmp_path / "dropped")["notes"] == [
        "1 files dropped from train: test has the same pixels",
        "validation is drawn from train",
    ]


def test_a_thousand_classes_keep_their_labels(folder, tmp_path, paint):
    root = folder({f"{n}": 3 for n in range(1000)})
    data = _prepare(root, tmp_path / "out", Preprocess((2, 2)))
    assert data.labels == tuple(str(n) for n in range(1000))
    assert sorted(data["test"][1]) == list(range(1000))
    assert len(set(data["calibration"][1])) == 300


def test_a_full_disk_is_refused_before_it_is_filled(folder, tmp_path):
    with pytest.raises(DataError, match="GB free"):
        _prepare(folder({"a": 9, "b": 9}), tmp_path / "out", Preprocess((10**6, 10**6)))


def test_says_how_far_it_is(folder, small, tmp_path):
    steps = []

    class Recorder:
        def step(self, done, total, note=""):
            steps.append((done, total, note))

    _prepare(folder({"a": 3, "b": 3}), tmp_path / "out", small, progress=Recorder())
    assert steps == [(done, 6, "decoding") for done in range(1, 7)]


@pytest.mark.parametrize("damage", ["missing", "text", "format", "cut", "count", "pickle"])
def test_a_folder_that_does_not_fit_is_not_loaded(folder, small, tmp_path, damage):
    out = tmp_path / "out"
    _prepare(folder({"a": 9, "b": 9}), out, small)
    data = json.loads((out / "data.json").read_text())
    if damage == "missing":
        (out / "data.json").unlink()
    elif damage == "text":
        (out / "data.json").write_text("{")
    elif damage == "format":
        (out / "data.json").write_text(json.dumps({**data, "format": 9}))
    elif damage == "cut":
        (out / "test.npy").write_bytes((out / "test.npy").read_bytes()[:-10])
    elif damage == "count":
        np.save(out / "test_classes.npy", np.zeros(1, np.int64))
    else:
        np.save(out / "test_classes.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError) as caught:
        load(out)
    assert caught.value.fix == "prepare the images again"
