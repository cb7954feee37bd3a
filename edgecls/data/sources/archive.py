"""An archive as it was downloaded: ``.tar``, ``.tar.gz`` and the like.

Every member is looked at before any is written: regular files and folders alone, below the
archive's own root, no larger in sum than MAX_BYTES and than the disk has room for.
"""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from edgecls.core import Progress
from edgecls.data.listing import SPLIT_NAMES, Listing, printable
from edgecls.data.sources.packed import Packed, files_of, shown, told_as
from edgecls.data.walk import is_hidden
from edgecls.errors import DataError

MAX_BYTES = 200 << 30
MAX_MEMBERS = 20_000_000
SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")

Find = Callable[[Path], Packed | None]
Scan = Callable[[Path], Listing]


def find(path: Path, inside: Find, scan: Scan) -> Packed | None:
    """The archive that `path` is. inside: recognises what was in it, if it is packed again.

    scan: lists what was in it otherwise, and raises DataError for what is no set of images.
    """
    if not path.name.lower().endswith(SUFFIXES) or not path.is_file():
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
        extract(path, files)
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


def extract(path: Path, folder: Path) -> None:
    """Unpack into the new folder `folder`. Raises DataError for an archive that is not safe."""
    try:
        with tarfile.open(path) as archive:
            members = _checked(path, archive, folder.parent)
            folder.mkdir(parents=True)
            archive.extractall(folder, members, filter="data")
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{shown(path)} cannot be unpacked: {error}", "download it again"
        ) from error


def _checked(path: Path, archive: tarfile.TarFile, where: Path) -> list[tarfile.TarInfo]:
    limit = min(MAX_BYTES, shutil.disk_usage(where).free)
    members, total = [], 0
    # One after the other: an archive that grows without end is left at the limit.
    for member in archive:
        members.append(member)
        total += member.size
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts:
            raise _refused(path, f"{printable(member.name)} leads out of it")
        if not (member.isreg() or member.isdir()):
            raise _refused(path, f"{printable(member.name)} is a link or a device")
        if total > limit:
            raise _refused(path, f"its files have more than {limit:,} bytes")
        if len(members) > MAX_MEMBERS:
            raise _refused(path, f"it has more than {MAX_MEMBERS:,} members")
    return members


def _refused(path: Path, reason: str) -> DataError:
    return DataError(
        f"{shown(path)} is not unpacked: {reason}", "unpack it yourself, and give the folder"
    )


def _descend(folder: Path) -> Path:
    """The folder that holds more than one folder: archives often have one at their top."""
    while True:
        children = [child for child in folder.iterdir() if not is_hidden(child.name)]
        if len(children) != 1 or not children[0].is_dir():
            return folder
        if children[0].name.casefold() in SPLIT_NAMES:
            return folder
        folder = children[0]
