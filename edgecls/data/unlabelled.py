"""Images without labels, as more material for a student: decoded once, and none that is scored.

An image whose tensor stands in validation or test is left out, and so is one that repeats.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecls.core import Dataset, Images, Progress, SilentProgress
from edgecls.data.fingerprint import fingerprint
from edgecls.data.images import pixels, quiet_decoders, read
from edgecls.data.listing import Entry, Listing
from edgecls.data.pool import mapped
from edgecls.data.prepared import write_split
from edgecls.data.scratch import Scratch
from edgecls.data.walk import ClassFolder, walk
from edgecls.device.preprocess import ImageError
from edgecls.errors import DataError, UsageError
from edgecls.rundir import write_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_LABEL = -1
DAMAGED, HELD_OUT, REPEATED = (
    "cannot be decoded",
    "stand in validation or test",
    "repeat another",
)
_ARRAY, _ACCOUNT = "unlabelled.npy", "unlabelled.json"


@dataclass(frozen=True)
class Unlabelled:
    """images: uint8[N, H, W, C]. left_out: how many files, by the reason."""

    images: NDArray[np.uint8]
    left_out: dict[str, int]


class Joined:
    """Two splits of equal shape, one after the other."""

    def __init__(self, first: Images, second: Images) -> None:
        self._first, self._second = first, second
        self.shape: tuple[int, ...] = (len(first) + len(second), *first.shape[1:])
        self.dtype: np.dtype[np.uint8] = np.dtype(np.uint8)

    @property
    def nbytes(self) -> int:
        return self._first.nbytes + self._second.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        rows = np.arange(len(self))[key]
        if rows.ndim == 0:
            one: NDArray[np.uint8] = self[np.asarray([rows])][0]
            return one
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        early = rows < len(self._first)
        if early.any():
            found[early] = self._first[rows[early]]
        if not early.all():
            found[~early] = self._second[rows[~early] - len(self._first)]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.uint8, copy=False)


def listing_of(folder: Path) -> Listing:
    """Every file below `folder`, whatever its folders mean. Raises DataError.

    Raises UsageError where there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of images", "check its path")
    root = folder.resolve().parent
    entries, skipped = walk(root, [ClassFolder(folder.resolve().name, "", None)])
    if not entries:
        raise DataError(f"{folder} holds no files", "give a folder with images")
    return Listing(root, ("",), tuple(entries), tuple(skipped))


@lru_cache(maxsize=8)
def sha256_of(folder: Path) -> str:
    """A name for the content of a folder; read once in a process."""
    return fingerprint(listing_of(folder))


def load(folder: Path, data: Dataset, work: Path, progress: Progress | None = None) -> Unlabelled:
    """The images below `folder` as tensors, kept in `work` and taken from there the next time.

    Raises DataError where none can be used.
    """
    if not (work / _ACCOUNT).exists():
        _decode(listing_of(folder), data, work, progress or SilentProgress())
    account = json.loads((work / _ACCOUNT).read_text(encoding="utf-8"))
    images: NDArray[np.uint8] = np.load(work / _ARRAY, mmap_mode="r", allow_pickle=False)
    if not len(images):
        reasons = ", ".join(f"{count} {reason}" for reason, count in account.items())
        raise DataError(f"{folder} holds no image that can be used: {reasons}", "give others")
    return Unlabelled(images, account)


def _decode(listing: Listing, data: Dataset, work: Path, progress: Progress) -> None:
    held_out = {_digest(image) for name in ("validation", "test") for image in data[name][0]}
    reasons: Counter[str] = Counter()
    seen: set[bytes] = set()
    rows: list[int] = []

    def decode(entry: Entry) -> NDArray[np.uint8] | None:
        try:
            return pixels(read(listing.root / entry.path), data.preprocess).tensor
        except ImageError:
            return None

    shape = data.preprocess.input_shape[1:]
    with quiet_decoders(), Scratch(work, len(listing.entries), shape) as scratch:
        for row, tensor in enumerate(mapped(decode, listing.entries)):
            progress.step(row + 1, len(listing.entries), "decoding images without labels")
            digest = b"" if tensor is None else _digest(tensor)
            if tensor is None:
                reasons[DAMAGED] += 1
            elif digest in held_out:
                reasons[HELD_OUT] += 1
            elif digest in seen:
                reasons[REPEATED] += 1
            else:
                seen.add(digest)
                rows.append(row)
                scratch.put(row, tensor)
        write_split(work, "unlabelled", scratch.tensors(), rows)
    # Last: it says that the array is whole.
    write_text(work / _ACCOUNT, json.dumps(reasons) + "\n")


def _digest(image: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
