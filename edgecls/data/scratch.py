"""A file of tensors that threads fill in any order: it stands in for memory while decoding."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from edgecls.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def room(folder: Path, fewest_bytes: int, limit_bytes: int) -> int:
    """How many bytes of tensors may be kept in `folder`: the disk holds them twice for a while.

    fewest_bytes: of those that must be kept. Raises DataError where there is no room for them.
    """
    free = shutil.disk_usage(folder).free
    if 2 * fewest_bytes > free:
        raise DataError(
            f"the images as tensors need at least {2 * fewest_bytes / 1e9:.1f} GB while they are "
            f"prepared, {folder} has {free / 1e9:.1f} GB free",
            "free some space, choose another folder, or a smaller image size",
        )
    return min(limit_bytes, free // 2)


class Scratch:
    """``uint8[count, *shape]`` on disk, deleted when its ``with`` ends.

    Written with pwrite and not through a mapping: a full disk is then an OSError, where a mapping
    would end the process.
    """

    def __init__(self, folder: Path, count: int, shape: tuple[int, ...]) -> None:
        self._path = folder / "scratch.part"
        self._shape = (count, *shape)
        self._row_bytes = int(np.prod(shape))

    def __enter__(self) -> Scratch:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.ftruncate(self._file, self._shape[0] * self._row_bytes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)
        self._path.unlink()

    def put(self, row: int, tensor: NDArray[np.uint8]) -> None:
        """Write one row; safe from several threads."""
        if os.pwrite(self._file, tensor.data, row * self._row_bytes) != self._row_bytes:
            raise DataError(f"{self._path.parent} is full", "free some space")

    def tensors(self) -> NDArray[np.uint8]:
        """All rows, mapped; those that were never written are zeros."""
        return np.memmap(self._path, np.uint8, "r", shape=self._shape)
