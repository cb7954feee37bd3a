"""Opening what may not be a file: a pipe or a device never blocks, it is refused."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path


class NotAFileError(OSError):
    """A pipe, a socket, a device or a folder."""


def open_regular(path: Path) -> BufferedReader:
    """A regular file, opened to be read. Raises OSError."""
    stream = open(path, "rb", opener=_opener)  # noqa: SIM115 - handed on
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise NotAFileError(None, "not a regular file")
    return stream


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
