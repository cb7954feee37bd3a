"""Every file below the class folders, each folder once, whatever the links between them.

Real folders are walked before linked ones, so that a file belongs to the class in whose folder it
really lies. A link to a folder that was already walked, or to one that holds the root, is listed
as skipped: it is a loop, or would list the same images twice.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgecls.data.listing import Entry, Skipped, printable

# No image that decode() accepts is larger; reading a video of some gigabytes would take the memory.
MAX_FILE_BYTES = 1 << 30

# What file managers and archivers leave behind.
_LEFTOVERS = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class ClassFolder:
    """A folder whose files belong to one class. path: below the root, with forward slashes."""

    path: str
    label: str
    split: str | None


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is ignored without a word."""
    return name.startswith(".") or name in _LEFTOVERS


def walk(root: Path, folders: Sequence[ClassFolder]) -> tuple[list[Entry], list[Skipped]]:
    """The files below `folders`, sorted by path, and what was left out."""
    above = (root.resolve(), *root.resolve().parents)
    state = _Walk(root, {_identity(path.stat()): "a folder above it" for path in above})
    for folder in folders:
        state.queue(folder, linked=(root / folder.path).is_symlink())
    while state.real or state.linked:
        state.visit(state.real.popleft() if state.real else state.linked.popleft())
    return sorted(state.entries, key=lambda entry: entry.path), state.skipped


def _identity(status: os.stat_result) -> tuple[int, int]:
    return (status.st_dev, status.st_ino)


@dataclass
class _Walk:
    """What is still to be visited, and what was found. seen: device and inode -> the folder."""

    root: Path
    seen: dict[tuple[int, int], str]
    real: deque[ClassFolder] = field(default_factory=deque)
    linked: deque[ClassFolder] = field(default_factory=deque)
    entries: list[Entry] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def queue(self, folder: ClassFolder, *, linked: bool) -> None:
        (self.linked if linked else self.real).append(folder)

    def visit(self, folder: ClassFolder) -> None:
        path = self.root / folder.path
        try:
            identity = _identity(path.stat())
            if identity in self.seen:
                self._skip(folder.path, f"leads to {printable(self.seen[identity])} again")
                return
            with os.scandir(path) as found:
                children = sorted(found, key=lambda child: child.name)
        except OSError as error:
            self._skip(folder.path, f"cannot be read: {error.strerror}")
            return
        self.seen[identity] = folder.path
        for child in children:
            if not is_hidden(child.name):
                self._add(child, replace(folder, path=f"{folder.path}/{child.name}"))

    def _add(self, child: os.DirEntry[str], at: ClassFolder) -> None:
        try:
            if child.is_dir():
                self.queue(at, linked=child.is_symlink())
                return
            status = child.stat()
        except OSError as error:
            kind = "broken link" if child.is_symlink() else "cannot be read"
            self._skip(at.path, f"{kind}: {error.strerror}")
            return
        if not stat.S_ISREG(status.st_mode):
            self._skip(at.path, "not a regular file")
        elif status.st_size > MAX_FILE_BYTES:
            self._skip(at.path, f"{status.st_size:,} bytes are more than an image has")
        else:
            self.entries.append(
                Entry(at.path, at.label, at.split, status.st_size, status.st_mtime_ns)
            )

    def _skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(printable(path), reason))
