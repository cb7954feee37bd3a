"""Archives from elsewhere, ``.zip``, ``.tar`` and the like, unpacked as data.

Every member is looked at before any is written: regular files and folders alone, below the
archive's own root, no more and no larger in sum than the limits and than the disk has room for.
"""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgecls.errors import DataError

SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_BLOCK = 1 << 20
_ENCRYPTED = 0x1
# Headers whose body says something of the next member.
_TOLD_IN_BODY = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


@dataclass(frozen=True)
class Limits:
    """What an archive may come to. Beside them stands the room on the disk."""

    bytes: int = 200 << 30
    members: int = 20_000_000


@dataclass(frozen=True)
class _Member:
    """What is in an archive. is_plain: a regular file or a folder."""

    name: str
    size: int
    is_plain: bool
    is_encrypted: bool = False


class _Header(tarfile.TarInfo):
    """One that is refused before its body is read into memory, where that is no name or number."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        if self.type in _TOLD_IN_BODY and self.size > _BLOCK:
            raise tarfile.ReadError("one of its headers is larger than a megabyte")
        found: tarfile.TarInfo | None = super()._proc_member(archive)  # type: ignore[misc]
        return found


def is_archive(path: Path) -> bool:
    """Whether a path is a file that is named like an archive."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def extract(path: Path, folder: Path, limits: Limits = Limits()) -> None:
    """Unpack into the new folder `folder`. Raises DataError for an archive that is not safe."""
    try:
        if not path.stat().st_size:
            raise DataError(f"{_shown(path)} cannot be unpacked: it is empty", "get it again")
        if zipfile.is_zipfile(path):
            _extract_zip(path, folder, limits)
        else:
            with tarfile.open(path, tarinfo=_Header) as archive:
                _check(path, _of_tar(archive), folder.parent, limits)
                members = archive.getmembers()
                folder.mkdir(parents=True)
                archive.extractall(folder, members, filter="data")
    except (
        OSError,
        EOFError,
        ValueError,  # a name or a number that none can be
        OverflowError,
        RuntimeError,  # a password, or a compression that Python does not know
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        # tarfile tells what each of its ways to read made of it.
        why = "it is no archive, or a cut one" if "\n" in str(error) else error
        raise DataError(f"{_shown(path)} cannot be unpacked: {why}", "get it again") from error


def _extract_zip(path: Path, folder: Path, limits: Limits) -> None:
    with zipfile.ZipFile(path) as archive:
        _check(path, map(_of_zip, archive.infolist()), folder.parent, limits)
        folder.mkdir(parents=True)
        for member in archive.infolist():
            to = folder / member.filename
            if member.is_dir():
                to.mkdir(parents=True, exist_ok=True)
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            # Opened by hand: `extract` would follow what lies there already.
            with archive.open(member) as source, to.open("xb") as stream:
                shutil.copyfileobj(source, stream, _BLOCK)


def _of_tar(archive: tarfile.TarFile) -> Iterator[_Member]:
    for member in archive:
        yield _Member(member.name, member.size, member.isreg() or member.isdir())


def _of_zip(member: zipfile.ZipInfo) -> _Member:
    mode = member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
    return _Member(member.filename, member.file_size, plain, bool(member.flag_bits & _ENCRYPTED))


def _check(path: Path, members: Iterator[_Member], where: Path, limits: Limits) -> None:
    most = min(limits.bytes, shutil.disk_usage(where).free)
    total = 0
    # One after the other: an archive that grows without end is left at the limit.
    for count, member in enumerate(members, 1):
        total += member.size
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or PureWindowsPath(member.name).drive:
            raise _hostile(path, f"{printable(member.name)} leads out of it")
        if not member.is_plain:
            raise _hostile(path, f"{printable(member.name)} is a link or a device")
        if member.is_encrypted:
            raise _refused(path, f"{printable(member.name)} is encrypted")
        if total > most:
            raise _refused(path, f"its files have more than {most:,} bytes")
        if count > limits.members:
            raise _refused(path, f"it has more than {limits.members:,} members")


def _hostile(path: Path, reason: str) -> DataError:
    return DataError(
        f"{_shown(path)} is not unpacked: {reason}",
        "get it from somebody whom you trust, packed with plain files alone",
    )


def _refused(path: Path, reason: str) -> DataError:
    return DataError(
        f"{_shown(path)} is not unpacked: {reason}", "unpack it yourself, and give the folder"
    )


def printable(name: str) -> str:
    r"""`name` as valid text: bytes that are not UTF-8 become ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _shown(path: Path) -> str:
    return printable(str(path))
