"""The name of a folder's content: it stays when the folder is copied, and changes with any byte.

It covers every file's path below the root and its sha256, and a table's labels where one gives
them. Hashing 60,000 files takes a while, so the hashes may be kept in a JSON file of the caller's,
which is believed for a file whose absolute path, size and modification time are as they were.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecls.core import Progress, SilentProgress
from edgecls.data.listing import Entry, Listing
from edgecls.data.pool import mapped
from edgecls.data.regular import open_regular

_FORMAT = 1
# A file written twice within a tick of the clock looks unchanged: the young are not kept.
_YOUNG_NS = 2_000_000_000


def fingerprint(
    listing: Listing,
    hash_cache: Path | None = None,
    *,
    progress: Progress | None = None,
    workers: int = 0,
) -> str:
    """The sha256 of the content of a listing. hash_cache: a file that is read, and kept up."""
    known = _read(hash_cache) if hash_cache else {}
    base = str(listing.root.resolve())
    hashes: dict[str, str] = {}
    unknown: list[Entry] = []
    for entry in listing.entries:
        size, mtime, digest = known.get(f"{base}/{entry.path}", (None, None, ""))
        if (size, mtime) == (entry.size_bytes, entry.mtime_ns):
            hashes[entry.path] = digest
        else:
            unknown.append(entry)
    progress = progress or SilentProgress()
    digests = mapped(lambda entry: hash_file(listing.root / entry.path), unknown, workers)
    for done, (entry, digest) in enumerate(zip(unknown, digests, strict=True), 1):
        hashes[entry.path] = digest
        progress.step(done, len(unknown), "hashing")
    if hash_cache and unknown:
        others = {path: row for path, row in known.items() if not path.startswith(base + "/")}
        _write(hash_cache, others | _rows(base, listing, hashes))
    return combine(listing, hashes)


def combine(listing: Listing, hashes: Mapping[str, str]) -> str:
    """The fingerprint, of the sha256 of each entry's path. An empty one: cannot be read."""
    digest = hashlib.sha256()
    for entry in sorted(listing.entries, key=lambda entry: entry.path):
        # No name holds a zero byte, so that two listings never give the same stream.
        digest.update(os.fsencode(entry.path) + b"\0" + hashes[entry.path].encode() + b"\0")
    digest.update(listing.table.encode())
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """The sha256 of a file's bytes; empty where it cannot be read."""
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _rows(base: str, listing: Listing, hashes: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
    old = time.time_ns() - _YOUNG_NS
    return {
        f"{base}/{entry.path}": (entry.size_bytes, entry.mtime_ns, hashes[entry.path])
        for entry in listing.entries
        if entry.mtime_ns < old and hashes[entry.path]
    }


def _read(path: Path) -> dict[str, tuple[Any, ...]]:
    """The rows kept; none where the file is missing, damaged or of another format."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            return {}
        return {str(name): (int(a), int(b), str(c)) for name, (a, b, c) in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write(path: Path, rows: Mapping[str, tuple[Any, ...]]) -> None:
    """Write beside and rename, so that two runs at once leave one whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # ASCII escapes carry names that are not UTF-8.
    text = json.dumps({"format": _FORMAT, "files": rows}, ensure_ascii=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False
    ) as stream:
        beside = Path(stream.name)
        try:
            stream.write(text)
            stream.close()
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
