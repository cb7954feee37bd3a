"""Splits that are too large to be kept decoded."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from edgecls.data import SplitFractions, describe, load, prepare, scratch
from edgecls.data.streamed import File, Streamed
from edgecls.errors import DataError

SPLITS = ("train", "validation", "test", "calibration")
ROW = 8 * 8 * 3


@pytest.fixture
def root(folder):
    return folder({"a": 20, "b": 20})


def both(root, small, tmp_path, cache_bytes, **options):
    """(cached, streamed) of the same images."""
    options = {"calibration": 4, **options}
    for name, size in (("whole", 10**9), ("part", cache_bytes)):
        prepare(root, small, SplitFractions(), 0, tmp_path / name, cache_bytes=size, **options)
    return load(tmp_path / "whole"), load(tmp_path / "part")


def streamed(data):
    return {split for split in SPLITS if isinstance(data[split][0], Streamed)}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (40, set()),
        (39, {"train"}),
        (4 + 6 + 8, {"train"}),
        (4 + 6 + 7, {"train", "test"}),
        (4 + 6, {"train", "test"}),
        (4 + 5, {"train", "test", "validation"}),
        (0, {"train", "test", "validation"}),
    ],
)
def test_the_smaller_splits_are_kept_as_long_as_they_fit(root, small, tmp_path, rows, expected):
    whole, part = both(root, small, tmp_path, rows * ROW)
    assert [len(whole[split][0]) for split in SPLITS] == [26, 6, 8, 4]
    assert streamed(part) == set(describe(tmp_path / "part")["streamed"]) == expected
    for split in SPLITS:
        assert np.array_equal(np.asarray(part[split][0]), whole[split][0])
        assert np.array_equal(part[split][1], whole[split][1])
    assert part.fingerprint == whole.fingerprint
    assert part.golden == whole.golden


def test_the_folder_has_no_array_of_a_streamed_split(root, small, tmp_path):
    both(root, small, tmp_path, 0)
    names = {path.name for path in (tmp_path / "part").iterdir()}
    assert "train_files.json" in names and "train.npy" not in names
    assert not any("scratch" in name for name in names)


def test_a_disk_without_room_for_all_of_it_streams(root, small, tmp_path, monkeypatch):
    usage = shutil._ntuple_diskusage(0, 0, 2 * 20 * ROW)
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda folder: usage)
    prepare(root, small, SplitFractions(), 0, tmp_path / "out", calibration=4)
    assert streamed(load(tmp_path / "out")) == {"train"}


KEYS = [
    *(0, -1, 25, slice(None), slice(3, 9), slice(20, 99), slice(None, None, -3), slice(5, 5)),
    *(np.array([1, 2, 7]), np.array([7, 7, 1]), np.array([-1, 0]), [4, 5], np.int64(3)),
    *(np.arange(26) % 3 == 0, np.array([], np.int64)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_it_is_indexed_as_the_array_is(root, small, tmp_path, key):
    whole, part = both(root, small, tmp_path, 0)
    array, stream = whole["train"][0], part["train"][0]
    found = stream[key]
    assert np.array_equal(found, array[key])
    assert found.shape == array[key].shape and found.dtype == np.uint8
    assert found.flags.writeable
    assert len(stream) == len(array) and stream.shape == array.shape
    assert (stream.dtype, stream.nbytes, stream.ndim) == (array.dtype, array.nbytes, array.ndim)


@pytest.mark.parametrize("key", [26, -27, np.array([26]), "x", 1.5, (0, 0)])
def test_what_is_no_index_of_it_is_refused(root, small, tmp_path, key):
    _, part = both(root, small, tmp_path, 0)
    with pytest.raises((IndexError, TypeError)):
        part["train"][0][key]


def test_it_is_an_array_where_numpy_asks_for_one(root, small, tmp_path):
    whole, part = both(root, small, tmp_path, 0)
    array, stream = whole["train"][0], part["train"][0]
    assert np.array_equal(np.array(stream), array)
    assert np.asarray(stream, np.float32).dtype == np.float32
    assert np.array_equal(np.stack(list(stream)), array)
    np.save(tmp_path / "x.npy", stream, allow_pickle=False)
    assert np.array_equal(np.load(tmp_path / "x.npy"), array)
    with pytest.raises(ValueError, match="could be shared"):
        np.array(stream, copy=False)


def test_what_is_changed_by_its_user_stays_as_it_was(root, small, tmp_path):
    whole, part = both(root, small, tmp_path, 0)
    for key in (3, slice(3, 4)):
        part["train"][0][key][:] = 0
        assert np.array_equal(part["train"][0][3], whole["train"][0][3])


@pytest.fixture
def counted(root, monkeypatch):
    """(files, how often each was read)."""
    from edgecls.data import streamed as module
    from edgecls.data.fingerprint import hash_file

    files = [File(f"a/{n:03d}.png", hash_file(root / f"a/{n:03d}.png")) for n in range(6)]
    reads = []
    real = module.read
    monkeypatch.setattr(module, "read", lambda path: reads.append(path.name) or real(path))
    return files, reads


def test_the_images_used_last_are_kept_and_no_more_than_the_limit(root, small, counted):
    files, reads = counted
    stream = Streamed(root, files, small, workers=1, kept_bytes=3 * ROW)
    stream[:3], stream[:3]
    assert reads == ["000.png", "001.png", "002.png"]
    stream[0], stream[3], stream[0]
    assert reads[3:] == ["003.png"]
    stream[1]
    assert reads[4:] == ["001.png"]
    assert len(stream._kept) == 3


def test_nothing_is_kept_where_there_is_no_room(root, small, counted):
    files, reads = counted
    stream = Streamed(root, files, small, workers=1, kept_bytes=ROW - 1)
    stream[0], stream[0]
    assert reads == ["000.png"] * 2


def _remove(path):
    path.unlink()


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _other(path):
    Image.new("RGB", (12, 10), "red").save(path)


def _append(path):
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize("change", [_remove, _pipe, _other, _append, lambda p: p.write_bytes(b"")])
def test_a_file_that_changed_is_an_error_that_names_it(root, small, tmp_path, change):
    _, part = both(root, small, tmp_path, 0)
    path = describe(tmp_path / "part")["splits"]["train"][5]["path"]
    change(root / path)
    with pytest.raises(DataError, match=f"{path} changed while it was in use") as caught:
        part["train"][0][2:9]
    assert "cache_gb" in caught.value.fix
    assert part["train"][0][:5].shape == (5, 8, 8, 3)


def test_images_that_were_moved_are_found_where_they_are_now(root, small, tmp_path):
    whole, _ = both(root, small, tmp_path, 0)
    root.rename(tmp_path / "moved")
    with pytest.raises(DataError):
        load(tmp_path / "part")["train"][0][0]
    found = load(tmp_path / "part", tmp_path / "moved")["train"][0]
    assert np.array_equal(np.asarray(found), whole["train"][0])


def test_names_that_are_not_utf_8_are_streamed(root, small, tmp_path):
    for number in range(9):
        source = root / f"a/{number:03d}.png"
        source.rename(os.fsdecode(os.fsencode(root) + b"/a/\xff%d.png" % number))
    whole, part = both(root, small, tmp_path, 0)
    assert np.array_equal(np.asarray(part["train"][0]), whole["train"][0])


@pytest.mark.parametrize("damage", ["missing", "text", "other", "short"])
def test_a_damaged_list_of_files_is_told(root, small, tmp_path, damage):
    both(root, small, tmp_path, 0)
    path = tmp_path / "part/train_files.json"
    if damage == "missing":
        path.unlink()
    else:
        text = {"text": "{", "other": "[]", "short": '{"root": "/", "files": []}'}[damage]
        path.write_text(text)
    with pytest.raises(DataError, match=r"do not fit|cannot be read"):
        load(tmp_path / "part")


def test_a_net_trains_on_a_stream_as_on_the_array(root, small, tmp_path):
    from edgecls.core import Context
    from edgecls.methods.train import METHOD

    states = []
    for name, data in zip("ab", both(root, small, tmp_path, 0), strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "out").mkdir()
        options = METHOD.Options(arch="resnet8", epochs=1, batch_size=8)
        context = Context(data, 0, tmp_path / name, threads=1)
        METHOD.apply({}, options, context, tmp_path / name / "out")
        states.append((tmp_path / name / "out/model.safetensors").read_bytes())
    assert states[0] == states[1]
