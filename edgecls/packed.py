"""Bundles that come as one file, ``.zip`` or ``.tar.gz``: unpacked for as long as they are asked.

What is in the archive is data until `trust` has looked at it, like any other bundle.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecls import archives
from edgecls.archives import Limits
from edgecls.device.meta import NAME as META
from edgecls.errors import TrustError

# Far more than a classifier with its golden samples, and far less than a disk.
MOST = Limits(bytes=16 << 30, members=20_000)


@contextmanager
def opened(bundle: Path) -> Iterator[Path]:
    """The folder of a bundle. One in an archive is there as long as the context.

    Raises DataError for an archive that is not safe, and TrustError for one without a bundle.
    """
    if not archives.is_archive(bundle):
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="edgecls-") as scratch:
        folder = Path(scratch) / "unpacked"
        archives.extract(bundle, folder, MOST)
        yield _within(folder, bundle)


def _within(folder: Path, archive: Path) -> Path:
    """Where the bundle begins: people pack a folder as often as what is in it."""
    inside = [each for each in folder.iterdir() if each.is_dir() and (each / META).is_file()]
    if (folder / META).is_file():
        return folder
    if len(inside) == 1:
        return inside[0]
    raise TrustError(
        f"{archive} holds {len(inside)} bundles, not one: a bundle has a {META}",
        "pack a single folder that `edgecls export` wrote, or give the folder itself",
    )
