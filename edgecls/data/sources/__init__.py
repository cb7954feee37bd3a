"""Where images come from: one file a kind of source.

Folders and tables of files give a `Listing` directly (`scan`). Other sources are `Packed`: `find`
recognises them, and they are unpacked once into a folder with one folder a class, after which
everything is as if the images had come so.
"""

from __future__ import annotations

from pathlib import Path

from edgecls import archives
from edgecls.data.listing import Listing
from edgecls.data.sources import archive, cifar, folders, huggingface, idx, manifest, torchvision
from edgecls.data.sources.packed import UNDERSTOOD, Packed

__all__ = ["UNDERSTOOD", "Packed", "archive", "find", "is_source", "located", "scan"]


def is_source(source: str) -> bool:
    """Whether ``--data`` names a download or a file that is read or unpacked; nothing is opened.

    Raises UsageError for the name of a download that is not known.
    """
    if torchvision.name_of(source) is not None:
        return True
    path = Path(source)
    is_table = source.lower().endswith(manifest.SUFFIXES) and path.is_file()
    return is_table or archives.is_archive(path)


def located(source: str) -> Path:
    """Where the images of ``--data`` lie: a path, or ``torchvision:NAME``, which is downloaded."""
    name = torchvision.name_of(source)
    return Path(source) if name is None else torchvision.download(name)


def scan(path: Path, lenient: bool = False) -> Listing:
    """Every image of a folder with one folder a class, or of a manifest. Raises DataError.

    lenient: also one on which nothing can be trained, such as one with an empty class.
    """
    table = manifest.find(path)
    return folders.scan(path, lenient) if table is None else manifest.scan(table, lenient)


def find(path: Path) -> Packed | None:
    """The packed images that `path` holds; None for what `scan` reads as it is.

    Raises DataError for files that are recognised, but not whole.
    """
    if manifest.find(path) is not None and path.suffix.lower() != ".parquet":
        return None
    for source in (idx.find, cifar.find, huggingface.find):
        found = source(path)
        if found is not None:
            return found
    return archive.find(path, find, lambda inner: scan(inner, lenient=True))
