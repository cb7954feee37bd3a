"""torchvision's own downloads, kept in the user's cache: ``torchvision:cifar10``.

Only the download is torchvision's, with its checksums; what came is read by this package.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls.data.sources.packed import shown
from edgecls.errors import DataError, unknown_name

PREFIX = "torchvision:"


@dataclass(frozen=True)
class _Dataset:
    """class_name: in torchvision.datasets. folder: what it leaves below its root.

    files: what somebody without a network puts there.
    """

    class_name: str
    folder: str
    files: tuple[str, ...]


_IDX = tuple(
    f"{part}-{kind}-ubyte.gz"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)
DATASETS: Mapping[str, _Dataset] = {
    "mnist": _Dataset("MNIST", "MNIST/raw", _IDX),
    "fashion-mnist": _Dataset("FashionMNIST", "FashionMNIST/raw", _IDX),
    "kmnist": _Dataset("KMNIST", "KMNIST/raw", _IDX),
    "cifar10": _Dataset("CIFAR10", "cifar-10-batches-py", ("cifar-10-python.tar.gz",)),
    "cifar100": _Dataset("CIFAR100", "cifar-100-python", ("cifar-100-python.tar.gz",)),
    "eurosat": _Dataset("EuroSAT", "eurosat/2750", ("2750/<class>/*.jpg of EuroSAT.zip",)),
}


def name_of(source: str) -> str | None:
    """``cifar10`` of ``torchvision:cifar10``; None of any other source.

    Raises UsageError for a data set that is not known here.
    """
    if not source.startswith(PREFIX):
        return None
    name = source.removeprefix(PREFIX)
    if name not in DATASETS:
        raise unknown_name("torchvision data set", name, DATASETS)
    return name


def cache() -> Path:
    """The user's cache of downloads."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative values ignored.
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "edgecls" / "torchvision"


def download(
    name: str, root: Path | None = None, fetch: Callable[[str, Path], None] | None = None
) -> Path:
    """The files of a data set, downloaded unless they are there already.

    root: the cache. fetch: (class of torchvision, folder); downloads into the folder. Raises
    DataError that says which files to put where, if they cannot be had.
    """
    dataset, place = DATASETS[name], (root or cache()) / name
    found = _present(place, dataset)
    if found is not None:
        return found
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as beside:
        part = Path(beside) / "part"
        part.mkdir()
        try:
            (fetch or _fetch)(dataset.class_name, part)
        except (OSError, RuntimeError, ValueError) as error:
            raise _offline(name, place, dataset, error) from error
        _move(part, place)
    found = _present(place, dataset)
    if found is None:
        raise _offline(name, place, dataset, RuntimeError("other files came than were expected"))
    return found


def _present(place: Path, dataset: _Dataset) -> Path | None:
    """What is to be read: the files as torchvision leaves them, or as somebody put them there."""
    if (place / dataset.folder).is_dir():
        return place / dataset.folder
    if (place / "2750").is_dir():
        return place / "2750"
    if all((place / name).is_file() for name in dataset.files):
        return place / dataset.files[0] if len(dataset.files) == 1 else place
    return None


def _move(part: Path, place: Path) -> None:
    """Put a whole download in its place, unless another process was faster."""
    try:
        part.rename(place)
    except OSError:
        for child in part.iterdir():
            if not (place / child.name).exists():
                shutil.move(child, place / child.name)


def _fetch(class_name: str, folder: Path) -> None:
    from torchvision import datasets

    kind: Any = getattr(datasets, class_name)
    # What it prints is no result.
    with contextlib.redirect_stdout(sys.stderr):
        kind(str(folder), download=True)


def _offline(name: str, place: Path, dataset: _Dataset, error: Exception) -> DataError:
    return DataError(
        f"{PREFIX}{name} cannot be downloaded: {' '.join(str(error).split())}",
        f"put {', '.join(dataset.files)} into {shown(place)}, or give a folder with --data",
    )
