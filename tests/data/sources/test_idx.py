"""IDX files as MNIST comes, made here with a few pictures."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from edgecls.core import SilentProgress
from edgecls.data import find, fingerprint, scan
from edgecls.data.sources import idx
from edgecls.errors import DataError

FASHION = [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]


def idx_bytes(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def images_of(count, seed=0, shape=(5, 4)):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


@pytest.fixture
def write(tmp_path):
    """Write a set of 12 + 8 pictures; returns their folder."""

    def make(below="", prefix="", train=None, suffix="", test_part="t10k"):
        folder = tmp_path / "set" / below
        folder.mkdir(parents=True, exist_ok=True)
        classes = np.array(train if train is not None else [0, 1, 2] * 4, np.uint8)
        rest = max(8, len(np.unique(classes)))
        parts = {
            "train": (images_of(len(classes)), classes),
            test_part: (images_of(rest, 1), np.resize(np.unique(classes), rest)),
        }
        for part, (images, labels) in parts.items():
            for kind, array, rank in (("images", images, 3), ("labels", labels, 1)):
                data = idx_bytes(array)
                name = f"{prefix}{part}-{kind}-idx{rank}-ubyte{suffix}"
                (folder / name).write_bytes(gzip.compress(data) if suffix == ".gz" else data)
        return tmp_path / "set"

    return make


def unpack(path, tmp_path):
    packed = find(path)
    assert packed is not None
    (tmp_path / "work").mkdir(exist_ok=True)
    packed.unpack(tmp_path / "out", tmp_path / "work", SilentProgress())
    return scan(tmp_path / "out")


@pytest.mark.parametrize("below", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_pictures_and_classes_are_those_of_the_files(write, tmp_path, below, suffix):
    listing = unpack(write(below, suffix=suffix), tmp_path)
    assert listing.labels == ("0", "1", "2")
    assert listing.given_splits == ("train", "test")
    assert len(listing.entries) == 20
    for split, seed, count in (("train", 0, 12), ("test", 1, 8)):
        for index, pixels in enumerate(images_of(count, seed)):
            path = tmp_path / f"out/{split}/{index % 3}/{index:06d}.png"
            with Image.open(path) as image:
                assert image.mode == "L"
                assert np.array_equal(np.asarray(image), pixels)


def test_the_same_files_give_the_same_bytes(write, tmp_path):
    root = write()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        unpack(root, tmp_path / name)
    listings = [scan(tmp_path / name / "out") for name in ("a", "b")]
    assert fingerprint(listings[0]) == fingerprint(listings[1])


def test_the_files_name_the_result(write):
    root = write()
    before = fingerprint(find(root).files)
    path = root / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\2")
    assert fingerprint(find(root).files) != before
    assert len(find(root).files.entries) == 4


def test_of_a_file_and_its_gz_the_file_is_read(write):
    root = write()
    write(suffix=".gz")
    assert all(not entry.path.endswith(".gz") for entry in find(root).files.entries)


def test_fashion_mnist_is_known_by_its_first_labels(write, tmp_path):
    listing = unpack(write(train=[*FASHION, 1, 4, 6, 8]), tmp_path)
    assert {"T-shirt-top", "Ankle boot", "Sneaker"} <= set(listing.labels)
    assert len(listing.labels) == 10


def test_one_other_label_and_it_is_not_fashion_mnist(write, tmp_path):
    listing = unpack(write(train=[*FASHION[:9], 4, 1, 6, 8, 5]), tmp_path)
    assert listing.labels == tuple("0123456789")


def test_emnist_is_set_upright(write, tmp_path):
    unpack(write(prefix="emnist-letters-", train=[1, 2] * 6, test_part="test"), tmp_path)
    with Image.open(tmp_path / "out/train/1/000000.png") as image:
        assert np.array_equal(np.asarray(image), images_of(1)[0].T)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "does not begin"),
        (b"\x89PNG\r\n", "does not begin"),
        (struct.pack(">HBBI", 0, 8, 1, 3) + b"\0" * 3, "8 with 3"),
        (struct.pack(">HBBIII", 0, 13, 3, 1, 1, 1) + b"\0" * 4, "type 13"),
        (struct.pack(">HBBI", 0, 8, 3, 3), "ends in its header"),
        (struct.pack(">HBBIII", 0, 8, 3, 9, 2, 2) + b"\0" * 35, "announces 36 bytes, but 35"),
        (struct.pack(">HBBIII", 0, 8, 3, 9, 2, 2) + b"\0" * 37, "announces 36 bytes, but 37"),
        (struct.pack(">HBBIII", 0, 8, 3, *[0xFFFFFFFF] * 3) + b"\0", "announces 79,"),
        (struct.pack(">HBBIII", 0, 8, 3, 0, 9, 9), "it is empty"),
    ],
)
def test_a_damaged_file_is_told_with_its_reason(tmp_path, data, reason):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason) as caught:
        idx.read_idx(path, 3)
    assert str(path) in caught.value.cause
    assert caught.value.fix


@pytest.mark.parametrize("damage", ["cut", "no gzip", "flipped"])
def test_a_damaged_gz_is_told(tmp_path, damage):
    whole = gzip.compress(idx_bytes(images_of(90)))
    flipped = whole[:200] + bytes([whole[200] ^ 255]) + whole[201:]
    data = {"cut": whole[:-9], "no gzip": b"text", "flipped": flipped}[damage]
    (tmp_path / "x.gz").write_bytes(data)
    with pytest.raises(DataError, match="cannot be used"):
        idx.read_idx(tmp_path / "x.gz", 3)


def test_a_gz_that_grows_without_end_is_left_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 1000)
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"\0" * 1001))
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        idx.read_idx(tmp_path / "x.gz", 3)


def test_images_and_labels_that_do_not_fit_are_refused(write, tmp_path):
    root = write()
    (root / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(11, np.uint8)))
    with pytest.raises(DataError, match="12 images, train-labels-idx1-ubyte 11 labels"):
        unpack(root, tmp_path)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("train-labels-idx1-ubyte", "not those of train labels"),
        ("t10k-images-idx3-ubyte", "not those of test images"),
    ],
)
def test_a_missing_file_is_named(write, name, missing):
    root = write()
    (root / name).unlink()
    with pytest.raises(DataError, match=missing) as caught:
        find(root)
    assert name in caught.value.fix


def test_a_set_without_test_has_it_drawn(write, tmp_path):
    root = write()
    for path in root.glob("t10k*"):
        path.unlink()
    assert unpack(root, tmp_path).given_splits == ("train",)


def test_two_sets_in_one_folder_are_refused(write):
    write(prefix="emnist-letters-")
    root = write(prefix="emnist-digits-")
    with pytest.raises(DataError, match="several IDX data sets: emnist-digits-, emnist-letters-"):
        find(root)
