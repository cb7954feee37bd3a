"""An archive as it was downloaded: ``.zip``, ``.tar.gz`` and the like."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from edgecls import archives
from edgecls.core import Progress
from edgecls.data.listing import SPLIT_NAMES, Listing
from edgecls.data.sources.packed import Packed, files_of, shown, told_as
from edgecls.data.walk import is_hidden

LIMITS = archives.Limits()

Find = Callable[[Path], Packed | None]
Scan = Callable[[Path], Listing]


def find(path: Path, inside: Find, scan: Scan) -> Packed | None:
    """The archive that `path` is. inside: recognises what was in it, if it is packed again.

    scan: lists what was in it otherwise, and raises DataError for what is no set of images.
    """
    if not archives.is_archive(path):
        return None
    return Packed(
        "archive",
        files_of(path.parent, [path.name]),
        ("pillow",),
        lambda out, work, progress: _unpack(path, (inside, scan), out, work, progress),
    )


def _unpack(
    path: Path, readers: tuple[Find, Scan], out: Path, work: Path, progress: Progress
) -> None:
    inside, scan = readers
    files = work / "files"
    shutil.rmtree(files, ignore_errors=True)
    try:
        archives.extract(path, files, LIMITS)
        # The files are gone before an error is read: it names the archive and the member.
        with told_as(files, shown(path)):
            inner = _descend(files)
            packed = inside(inner)
            if packed is not None:
                packed.unpack(out, work, progress)
            else:
                scan(inner)
                inner.rename(out)
    finally:
        shutil.rmtree(files, ignore_errors=True)


def _descend(folder: Path) -> Path:
    """The folder that holds more than one folder: archives often have one at their top."""
    while True:
        children = [child for child in folder.iterdir() if not is_hidden(child.name)]
        if len(children) != 1 or not children[0].is_dir():
            return folder
        if children[0].name.casefold() in SPLIT_NAMES:
            return folder
        folder = children[0]
