"""MNIST and its relatives: ``train-images-idx3-ubyte[.gz]`` and on (Y. LeCun's IDX format).

The four files may lie in the folder itself or in ``raw`` or ``<name>/raw``, as torchvision keeps
them. Classes are called by their numbers, but for Fashion-MNIST, which is recognised by its first
labels. EMNIST's files hold every character transposed: it is set upright.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecls.core import Progress
from edgecls.data.sources.packed import (
    Packed,
    class_folders,
    files_of,
    names_in,
    shown,
    write_arrays,
)
from edgecls.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 2 << 30
_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx[13]-ubyte(\.gz)?"
)
_UNSIGNED_BYTE = 8
_FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
# Ten labels tell it from all relatives, whatever the folder is called.
_FASHION_TRAIN = [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]

Names = Mapping[tuple[str, str], str]


def find(path: Path) -> Packed | None:
    """The IDX files of `path`. Raises DataError where they are several sets, or not whole."""
    inner = [path / name / "raw" for name in sorted(names_in(path))]
    for folder in (path, path / "raw", *inner):
        found = _files(folder)
        if found:
            return _packed(folder, found)
    return None


def _files(folder: Path) -> dict[str, dict[tuple[str, str], str]]:
    """prefix -> (split, kind) -> file name; of a file and its .gz the file."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    for name in sorted(names_in(folder)):
        match = _NAME.fullmatch(name)
        if match:
            split = "train" if match["part"] == "train" else "test"
            found.setdefault(match["prefix"], {}).setdefault((split, match["kind"]), name)
    return found


def _packed(folder: Path, found: Mapping[str, Names]) -> Packed:
    if len(found) > 1:
        raise DataError(
            f"{shown(folder)} holds several IDX data sets: {', '.join(sorted(found))}",
            "move the files of one of them into a folder of their own",
        )
    prefix, names = next(iter(found.items()))
    for split in {"train", *(split for split, _ in names)}:
        for kind in ("images", "labels"):
            if (split, kind) not in names:
                raise DataError(
                    f"{shown(folder)} has IDX files, but not those of {split} {kind}",
                    f"add {prefix}{'train' if split == 'train' else 't10k'}-{kind}-idx"
                    f"{3 if kind == 'images' else 1}-ubyte, or its .gz",
                )
    files = files_of(folder, list(names.values()))
    upright = prefix.startswith("emnist")
    return Packed(
        f"idx{'-transposed' if upright else ''}",
        files,
        ("pillow",),
        lambda out, work, progress: _unpack(folder, names, upright, out, progress),
    )


def _unpack(folder: Path, names: Names, transposed: bool, out: Path, progress: Progress) -> None:
    arrays = {
        split: _read_split(folder / names[split, "images"], folder / names[split, "labels"])
        for split in sorted({split for split, _ in names}, reverse=True)
    }
    largest = max(int(classes.max()) for _, classes in arrays.values())
    is_fashion = largest < 10 and arrays["train"][1][:10].tolist() == _FASHION_TRAIN
    labels = _FASHION if is_fashion else [str(number) for number in range(largest + 1)]
    total = sum(len(classes) for _, classes in arrays.values())
    done = 0
    for split, (images, classes) in arrays.items():
        pixels = images.transpose(0, 2, 1) if transposed else images
        before = done

        def step(count: int, before: int = before) -> None:
            progress.step(before + count, total, "unpacking")

        write_arrays(out, split, np.ascontiguousarray(pixels), classes, class_folders(labels), step)
        done += len(classes)


def _read_split(images: Path, labels: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    pixels, classes = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(classes):
        raise DataError(
            f"{shown(images)} has {len(pixels):,} images, {labels.name} {len(classes):,} labels",
            "take both from the same data set",
        )
    return pixels, classes


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes, plain or gzipped; it has at least one value.

    Raises DataError where it is damaged, of another type, or larger than MAX_BYTES.
    """
    data = _read(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise _damaged(path, "it does not begin as an IDX file")
    if data[2] != _UNSIGNED_BYTE or data[3] != dimensions:
        raise _damaged(path, f"type {data[2]} with {data[3]} dimensions, not 8 with {dimensions}")
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise _damaged(path, "it ends in its header")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    expected, found = math.prod(shape), len(data) - start
    if expected != found:
        raise _damaged(path, f"its header announces {expected:,} bytes, but {found:,} follow")
    if not expected:
        raise _damaged(path, "it is empty")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    if len(data) > MAX_BYTES:
        raise _damaged(path, f"it has more than {MAX_BYTES:,} bytes")
    return data


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{shown(path)} cannot be used: {reason}", "download it again")
