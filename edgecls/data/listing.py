"""The values that describe a folder of images, and how its names are sorted and shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgecls.archives import printable as printable

# In the order in which a split's images are worth protecting: the test set loses none.
SPLITS = ("train", "validation", "test")
# What people call them in tables.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a class. path: below the listing's root, with forward slashes.

    A path may hold undecodable bytes as Python's file functions write them (surrogates), so that
    it can be opened: use `printable` to show it. split: the one that the folders give, or None.
    """

    path: str
    label: str
    split: str | None
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that is left out, and why. file: printable."""

    file: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """Every file of every class. labels: sorted naturally. entries: sorted by path.

    table: a hash of the labels and splits where a table gives them; empty where the paths do.
    """

    root: Path
    labels: tuple[str, ...]
    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...] = ()
    table: str = ""

    @property
    def given_splits(self) -> tuple[str, ...]:
        """The splits that the folders give; empty where the tool draws all of them."""
        found = {entry.split for entry in self.entries}
        return tuple(split for split in SPLITS if split in found)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sorts '10' after '9' and 'cat' beside 'Cat'."""
    # Text and digits alternate, so that a string is never compared with a number.
    parts: list[str | int] = [
        int(part) if index % 2 else part.casefold()
        for index, part in enumerate(re.split(r"(\d+)", name))
    ]
    return parts, name


def some(names: Iterable[str], limit: int = 5) -> str:
    """The first names, quoted, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(repr(name) for name in listed[:limit]) + more
