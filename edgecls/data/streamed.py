"""A split that is too large to be kept decoded: its images come from their files when asked for.

It is indexed as the array would be that it stands in for, and gives the same pixels to the bit:
every file is held against the hash of the one that was prepared.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecls.data.images import quiet_decoders, read
from edgecls.data.listing import printable
from edgecls.data.pool import mapped
from edgecls.device.preprocess import ImageError, Preprocess
from edgecls.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Decoded images that are kept: enough for a validation set of thumbnails, small beside a net.
KEPT_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A file of a split. path: below the root, as it can be opened. sha256: of its bytes."""

    path: str
    sha256: str


class Streamed:
    """``uint8[N, H, W, C]``, decoded on demand in threads; the images used last are kept.

    Every index that numpy knows for the first axis is taken. Raises DataError where a file is
    missing or has changed. workers: threads; 0 is one per core.
    """

    dtype: np.dtype[np.uint8] = np.dtype(np.uint8)

    def __init__(
        self,
        root: Path,
        files: Sequence[File],
        preprocess: Preprocess,
        workers: int = 0,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._root, self._files, self._preprocess = root, tuple(files), preprocess
        self._workers = workers
        self.shape: tuple[int, ...] = (len(self._files), *preprocess.input_shape[1:])
        self._most = kept_bytes // int(np.prod(self.shape[1:]))
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Of the whole array that it stands in for."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        if isinstance(key, tuple):
            raise TypeError("a streamed split is indexed along its first axis alone")
        rows = np.arange(len(self))[key]
        with quiet_decoders():
            if rows.ndim == 0:
                return self._image(int(rows)).copy()
            found = np.empty((len(rows), *self.shape[1:]), np.uint8)
            for at, image in enumerate(mapped(self._image, rows.tolist(), self._workers)):
                found[at] = image
        return found

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a streamed split has no array that could be shared")
        return self[:].astype(dtype or np.uint8, copy=False)

    def _image(self, row: int) -> NDArray[np.uint8]:
        with self._lock:
            if row in self._kept:
                self._kept.move_to_end(row)
                return self._kept[row]
        image = self._decode(self._files[row])
        with self._lock:
            self._kept[row] = image
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return image

    def _decode(self, file: File) -> NDArray[np.uint8]:
        try:
            data = read(self._root / file.path)
            if hashlib.sha256(data).hexdigest() != file.sha256:
                raise ImageError("it is not the file that was prepared")
            with np.errstate(invalid="ignore", over="ignore"):
                tensor: NDArray[np.uint8] = self._preprocess.load(data)
        except ImageError as error:
            raise DataError(
                f"{printable(str(self._root / file.path))} changed while it was in use: "
                f"{error.cause}",
                "leave the images where and as they are, and run it again; or have them decoded "
                "once with a larger data.cache_gb",
            ) from error
        return tensor
