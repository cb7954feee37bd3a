"""CIFAR-10 and CIFAR-100 (A. Krizhevsky), in the binary and in the Python format.

The folder itself, or one that holds it as ``cifar-…``. CIFAR-100 is read with its 100 fine classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecls.core import Progress
from edgecls.data.sources import pickles
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

MAX_BYTES = 512 << 20
_PIXELS = 3 * 32 * 32

Batch = tuple["NDArray[np.uint8]", "NDArray[np.uint8]"]


@dataclass(frozen=True)
class _Layout:
    """The files of one format. read: file -> (pixels uint8[N, 3072], classes uint8[N])."""

    name: str
    train: tuple[str, ...]
    test: str
    meta: str
    read: Callable[[Path], Batch]
    labels: Callable[[Path], list[str]]


def find(path: Path) -> Packed | None:
    """The CIFAR files of `path`. Raises DataError where one of them is missing."""
    inner = [path / name for name in sorted(names_in(path)) if name.startswith("cifar-")]
    for folder in (path, *inner):
        for layout in _LAYOUTS:
            names = names_in(folder)
            if layout.meta in names and layout.train[0] in names:
                return _packed(folder, layout)
    return None


def _packed(folder: Path, layout: _Layout) -> Packed:
    files = files_of(folder, [*layout.train, layout.test, layout.meta])
    return Packed(
        layout.name,
        files,
        ("pillow",),
        lambda out, work, progress: _unpack(folder, layout, out, progress),
    )


def _unpack(folder: Path, layout: _Layout, out: Path, progress: Progress) -> None:
    folders = class_folders(layout.labels(folder / layout.meta))
    batches = [("train", [layout.read(folder / name) for name in layout.train])]
    batches.append(("test", [layout.read(folder / layout.test)]))
    total = sum(len(classes) for _, parts in batches for _, classes in parts)
    done = 0
    for split, parts in batches:
        pixels = np.concatenate([pixels for pixels, _ in parts])
        classes = np.concatenate([classes for _, classes in parts])
        if len(classes) and int(classes.max()) >= len(folders):
            raise _damaged(folder, f"class {classes.max()} of {split} has no name in {layout.meta}")
        images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        before = done

        def step(count: int, before: int = before) -> None:
            progress.step(before + count, total, "unpacking")

        write_arrays(out, split, np.ascontiguousarray(images), classes, folders, step)
        done += len(classes)


def _binary(label_bytes: int) -> Callable[[Path], Batch]:
    """Rows of one label byte (of CIFAR-100 two: coarse and fine) and the pixels."""

    def read(path: Path) -> Batch:
        data = np.frombuffer(_read(path), np.uint8)
        width = label_bytes + _PIXELS
        if not len(data) or len(data) % width:
            raise _damaged(path, f"{len(data):,} bytes are not whole rows of {width:,}: truncated")
        rows = data.reshape(-1, width)
        return rows[:, label_bytes:], rows[:, label_bytes - 1]

    return read


def _python(key: str) -> Callable[[Path], Batch]:
    def read(path: Path) -> Batch:
        found = pickles.read(path)
        pixels, numbers = found.get("data"), found.get(key)
        if not isinstance(pixels, np.ndarray) or not isinstance(numbers, list):
            raise _damaged(path, f"it has no 'data' and {key!r}")
        if pixels.shape != (len(numbers), _PIXELS) or not numbers:
            raise _damaged(path, f"{len(numbers)} labels for pixels {list(pixels.shape)}")
        if not all(isinstance(number, int) and 0 <= number < 256 for number in numbers):
            raise _damaged(path, "a label is no number from 0 to 255")
        return pixels, np.array(numbers, np.uint8)

    return read


def _text_labels(path: Path) -> list[str]:
    lines = _read(path).decode("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _pickled_labels(key: str) -> Callable[[Path], list[str]]:
    def read(path: Path) -> list[str]:
        found = pickles.read(path).get(key)
        names = [pickles.text(name) for name in found] if isinstance(found, list) else []
        if not names or not all(isinstance(name, str) for name in names):
            raise _damaged(path, f"it has no {key!r}")
        return names

    return read


def _read(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise _damaged(path, f"it has more than {MAX_BYTES:,} bytes")
    return path.read_bytes()


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{shown(path)} cannot be used: {reason}", "download it again")


_FIVE = tuple(f"data_batch_{number}" for number in range(1, 6))
_LAYOUTS = (
    _Layout(
        "cifar-10-binary",
        tuple(f"{name}.bin" for name in _FIVE),
        "test_batch.bin",
        "batches.meta.txt",
        _binary(1),
        _text_labels,
    ),
    _Layout(
        "cifar-100-binary",
        ("train.bin",),
        "test.bin",
        "fine_label_names.txt",
        _binary(2),
        _text_labels,
    ),
    _Layout(
        "cifar-10-python",
        _FIVE,
        "test_batch",
        "batches.meta",
        _python("labels"),
        _pickled_labels("label_names"),
    ),
    _Layout(
        "cifar-100-python",
        ("train",),
        "test",
        "meta",
        _python("fine_labels"),
        _pickled_labels("fine_label_names"),
    ),
)
