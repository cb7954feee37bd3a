"""Images that are not files of their own: they are unpacked once into a class-per-folder folder.

A source's module has ``find(path) -> Packed | None``. What is unpacked has the same bytes on every
machine: arrays become stored PNGs, encoded images stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from edgecls.core import Progress
from edgecls.data.listing import Entry, Listing, printable
from edgecls.data.walk import is_hidden
from edgecls.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNDERSTOOD = (
    "one folder per class, also below train, validation and test; manifest.csv or .parquet with "
    "the columns path, label and optionally split; the files of MNIST (IDX), CIFAR-10 or "
    "CIFAR-100; a Hugging Face dataset (save_to_disk, or its Parquet files); a .zip or .tar.gz of "
    "one of these; torchvision:NAME"
)
_UNSAFE = re.compile(r"[/\x00-\x1f\x7f]")
_MAX_NAME_BYTES = 200


@dataclass(frozen=True)
class Packed:
    """A source that was recognised. files: what it is read from; their content names the result.

    packages: those whose version matters. unpack: ``(out, work, progress)``; makes the folder
    `out`, may use the existing folder `work`, and raises DataError for files that are damaged.
    """

    kind: str
    files: Listing
    packages: tuple[str, ...]
    unpack: Callable[[Path, Path, Progress], None]


def names_in(folder: Path) -> set[str]:
    """The names in a folder; none where it cannot be read or is no folder."""
    try:
        return {child.name for child in folder.iterdir()}
    except OSError:
        return set()


def files_of(root: Path, names: Sequence[str]) -> Listing:
    """Files below `root` as a listing. Raises DataError for one that is missing or no file."""
    entries = []
    for name in sorted(names):
        path = root / name
        if not path.is_file():
            raise DataError(f"{shown(path)} is missing", "put it there, or unpack it again")
        status = path.stat()
        entries.append(Entry(name, "", None, status.st_size, status.st_mtime_ns))
    return Listing(root, (), tuple(entries))


def shown(path: Path) -> str:
    """A path as text."""
    return printable(str(path))


@contextmanager
def told_as(folder: Path, name: str) -> Iterator[None]:
    """A DataError about what lies in `folder` calls it `name`: the user never sees the folder."""
    here = shown(folder)
    try:
        yield
    except DataError as error:
        cause, fix = (
            text.replace(f"{here}/", f"{name}: ").replace(here, name)
            for text in (error.cause, error.fix)
        )
        raise DataError(cause, fix) from error


def class_folders(labels: Sequence[str]) -> tuple[str, ...]:
    """Names of folders for labels: ``T-shirt/top`` becomes ``T-shirt-top``.

    Raises DataError where two would be one.
    """
    found: list[str] = []
    for label in labels:
        name = _UNSAFE.sub("-", label.strip()).encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
        found.append(f"_{name}" if not name or is_hidden(name) else name)
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"two classes are called {twice!r}", "give them different names")
    return tuple(found)


def write_arrays(
    out: Path,
    split: str,
    images: NDArray[np.uint8],
    classes: NDArray[np.uint8],
    folders: Sequence[str],
    step: Callable[[int], None],
) -> None:
    """Write ``out/<split>/<class>/<number>.png`` of uint8[N, H, W] or [N, H, W, 3].

    step: is told after each image how many of this split are written.
    """
    for name in {folders[number] for number in set(classes.tolist())}:
        (out / split / name).mkdir(parents=True, exist_ok=True)
    for index, (image, number) in enumerate(zip(images, classes.tolist(), strict=True)):
        path = out / split / folders[number] / f"{index:06d}.png"
        # Stored, not deflated: the bytes do not depend on the version of a compressor.
        Image.fromarray(image).save(path, compress_level=0)
        step(index + 1)
