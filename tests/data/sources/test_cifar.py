"""CIFAR as it is downloaded, made here with a few pictures."""

from __future__ import annotations

import functools
import io
import pickle
import tarfile
from types import FunctionType
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from edgecls.core import SilentProgress
from edgecls.data import find, scan
from edgecls.errors import DataError

NAMES = [f"thing {number}" for number in range(10)]
FINE = [f"fine {number:02d}" for number in range(100)]


def rows(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)


def batches():
    """file -> (pixels, labels): ten pictures a batch, one of each class."""
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    return {name: (rows(10, seed), list(range(10))) for seed, name in enumerate(names)}


def write_binary10(folder):
    for name, (pixels, labels) in batches().items():
        data = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], 1)
        (folder / f"{name}.bin").write_bytes(data.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")


TWO = functools.partial(pickle.dumps, protocol=2)


def write_python10(folder, dump=TWO):
    for name, (pixels, labels) in batches().items():
        data = {"data": pixels, "labels": labels, "batch_label": name, "filenames": ["x.png"]}
        (folder / name).write_bytes(dump(data))
    (folder / "batches.meta").write_bytes(dump({"label_names": NAMES, "num_vis": 3072}))


class _Python2(pickle._Pickler):
    """Writes what Python 2 wrote: its one kind of string, and numpy under its old name."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_str(self, text):
        data = text.encode("latin1") if isinstance(text, str) else text
        size = bytes([len(data)]) if len(data) < 256 else len(data).to_bytes(4, "little")
        self.write((pickle.SHORT_BINSTRING if len(data) < 256 else pickle.BINSTRING) + size + data)
        self.memoize(text)

    def save_global(self, what, name=None):
        module = what.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{what.__name__}\n".encode())
        self.memoize(what)

    dispatch[str] = dispatch[bytes] = save_str
    dispatch[FunctionType] = dispatch[type] = save_global


def python2(value):
    """As the real downloads are: protocol 2 of Python 2."""
    stream = io.BytesIO()
    _Python2(stream, protocol=2).dump(value)
    return stream.getvalue()


def as_bytes(value):
    """What `pickle.load(stream, encoding="bytes")` gives of such a file."""
    if isinstance(value, dict):
        return {as_bytes(key): as_bytes(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_bytes(inner) for inner in value]
    return value.encode() if isinstance(value, str) else value


def write_binary100(folder):
    for name, seed in (("train", 0), ("test", 1)):
        labels = np.stack([np.zeros(100), np.arange(100)], 1).astype(np.uint8)
        data = np.concatenate([labels, rows(100, seed)], 1)
        (folder / f"{name}.bin").write_bytes(data.tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(FINE))


def write_python100(folder):
    for name, seed in (("train", 0), ("test", 1)):
        data = {
            "data": rows(100, seed),
            "fine_labels": list(range(100)),
            "coarse_labels": [0] * 100,
        }
        (folder / name).write_bytes(pickle.dumps(data, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": FINE}, protocol=2))


WRITERS = {
    "cifar-10-batches-bin": write_binary10,
    "cifar-10-batches-py": write_python10,
    "cifar-100-binary": write_binary100,
    "cifar-100-python": write_python100,
}


@pytest.fixture
def write(tmp_path):
    def make(name):
        folder = tmp_path / "files" / name
        folder.mkdir(parents=True)
        WRITERS[name](folder)
        return folder

    return make


def unpack(path, tmp_path):
    packed = find(path)
    assert packed is not None
    (tmp_path / "work").mkdir(exist_ok=True)
    packed.unpack(tmp_path / "out", tmp_path / "work", SilentProgress())
    return scan(tmp_path / "out")


def pixels_at(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("outer", [False, True])
def test_every_format_gives_its_pictures_and_names(write, tmp_path, name, outer):
    folder = write(name)
    listing = unpack(folder.parent if outer else folder, tmp_path)
    assert listing.given_splits == ("train", "test")
    first = rows(10 if "10-" in name else 100, 0)[3].reshape(3, 32, 32).transpose(1, 2, 0)
    if "100" in name:
        assert listing.labels == tuple(FINE)
        assert len(listing.entries) == 200
        found = tmp_path / "out/train/fine 03/000003.png"
        first = rows(100, 0)[3].reshape(3, 32, 32).transpose(1, 2, 0)
    else:
        assert listing.labels == tuple(NAMES)
        assert len(listing.entries) == 60
        found = tmp_path / "out/train/thing 3/000003.png"
        last = rows(10, 5)[9].reshape(3, 32, 32).transpose(1, 2, 0)
        assert np.array_equal(pixels_at(tmp_path / "out/test/thing 9/000009.png"), last)
    assert np.array_equal(pixels_at(found), first)


DUMPS = {"python 2": python2}
for protocol in range(6):
    dump = functools.partial(pickle.dumps, protocol=protocol)
    DUMPS[f"python 3, text, protocol {protocol}"] = dump
    DUMPS[f"python 3, bytes, protocol {protocol}"] = lambda value, dump=dump: dump(as_bytes(value))


@pytest.mark.parametrize("dump", DUMPS.values(), ids=DUMPS)
def test_the_pickles_of_python_2_and_3_are_the_same_pictures(tmp_path, dump):
    (tmp_path / "files").mkdir()
    write_python10(tmp_path / "files", dump)
    listing = unpack(tmp_path / "files", tmp_path)
    assert listing.labels == tuple(NAMES) and len(listing.entries) == 60
    last = rows(10, 5)[9].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(pixels_at(tmp_path / "out/test/thing 9/000009.png"), last)


def test_the_files_of_python_2_are_as_it_wrote_them():
    """The head of the real data_batch_1, up to its first labels."""
    data = python2({"batch_label": "training batch 1 of 5", "labels": [6, 9]})
    assert data.startswith(b"\x80\x02}q\x00(U\x0bbatch_labelq\x01U\x15training batch 1 of 5q\x02")
    assert b"]q\x04(K\x06K\x09e" in data
    pixels = python2(rows(1, 0))
    assert pixels.startswith(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n")
    assert b"T\x00\x0c\x00\x00" in pixels


@pytest.mark.parametrize("name", WRITERS)
def test_the_archive_as_it_is_downloaded(write, tmp_path, name):
    folder = write(name)
    path = tmp_path / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, name)
    listing = unpack(path, tmp_path)
    assert len(listing.labels) in (10, 100)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "cut"])
@pytest.mark.parametrize("name", WRITERS)
def test_an_error_in_an_archive_names_the_archive_and_the_member(write, tmp_path, name, damage):
    folder = write(name)
    member = next(file for file in sorted(folder.iterdir()) if "test" in file.name)
    member.write_bytes(member.read_bytes()[:-5])
    if damage == "missing":
        member.unlink()
    path = tmp_path / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, f"top/{name}")
    with pytest.raises(DataError) as caught:
        unpack(path, tmp_path)
    where = f"{path}: top/{name}/{member.name}"
    assert caught.value.cause.startswith(f"{where} {'is missing' if damage == 'missing' else ''}")
    assert str(tmp_path / "work") not in caught.value.cause + caught.value.fix


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar-10-batches-bin", "data_batch_3.bin"),
        ("cifar-10-batches-py", "test_batch"),
        ("cifar-100-binary", "test.bin"),
        ("cifar-100-python", "test"),
    ],
)
def test_a_missing_file_is_named(write, name, file):
    folder = write(name)
    (folder / file).unlink()
    with pytest.raises(DataError, match=f"{file} is missing"):
        find(folder)


def test_a_truncated_binary_is_told(write, tmp_path):
    folder = write("cifar-10-batches-bin")
    path = folder / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_2.bin.*30,729 bytes are not whole rows"):
        unpack(folder, tmp_path)


def test_a_class_without_a_name_is_told(write, tmp_path):
    folder = write("cifar-10-batches-bin")
    (folder / "batches.meta.txt").write_text("\n".join(NAMES[:9]))
    with pytest.raises(DataError, match=r"class 9 of train has no name"):
        unpack(folder, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"data": None},
        {"data": rows(9, 0)},
        {"data": np.zeros((10, 7), np.uint8)},
        {"labels": None},
        {"labels": list("abcdefghij")},
        {"labels": [256] * 10},
        {"labels": [-1] * 10},
    ],
)
def test_a_batch_that_does_not_fit_is_told(write, tmp_path, change):
    folder = write("cifar-10-batches-py")
    whole = {"data": rows(10, 0), "labels": list(range(10))}
    (folder / "data_batch_1").write_bytes(pickle.dumps({**whole, **change}, protocol=2))
    with pytest.raises(DataError, match="data_batch_1 cannot be used"):
        unpack(folder, tmp_path)
