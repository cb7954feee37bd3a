"""A table that says of every image its class, and of its split where it wants to: CSV or Parquet.

Columns ``path``, ``label`` and optionally ``split``, under these or usual other names. Paths are
relative to the table's folder, below which every image must lie: a table that came with somebody's
images can not have other files of this machine read, and shipped as golden samples. Put the table
into a folder above all images; what is linked into that folder counts as being in it.

A folder with a ``manifest.csv`` or ``manifest.parquet`` in it is that table.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecls.data.listing import (
    SPLIT_NAMES,
    SPLITS,
    Entry,
    Listing,
    Skipped,
    natural_key,
    printable,
    some,
)
from edgecls.data.sources.folders import check_same_classes
from edgecls.data.sources.packed import names_in, shown
from edgecls.data.sources.parquet import Table
from edgecls.data.walk import MAX_FILE_BYTES
from edgecls.device.classify import label_of
from edgecls.errors import DataError

NAMES = ("manifest.csv", "manifest.parquet")
MAX_BYTES = 1 << 30
SUFFIXES = (".csv", ".tsv", ".parquet")
_AS_UTF_8 = "save it as 'CSV UTF-8' in a spreadsheet, or as UTF-8 in an editor"
_DELIMITERS = {".csv": ",;\t|", ".tsv": "\t"}
# In each row the names that a column may have, the first that is there counts.
COLUMNS = {
    "path": (
        "path",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "image",
        "image_path",
    ),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "set", "subset", "partition"),
}

Row = tuple[int, str, str, str]


def find(path: Path) -> Path | None:
    """The table that `path` is, or that lies in the folder `path` under one of NAMES."""
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return path
    inner = names_in(path)
    return next((path / name for name in NAMES if name in inner), None)


def scan(path: Path, lenient: bool = False) -> Listing:
    """The images of a table; its root is the table's folder.

    Images that are not there are listed as skipped. Raises DataError for a table that cannot be
    read, that leaves its folder, contradicts itself, or of which no image is there; unless
    `lenient` also where it has one class alone, or its splits do not have the same classes.
    """
    root = path.parent
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)
    read = _Read(root, shown(path))
    for row in rows:
        read.add(*row)
    entries = sorted(read.entries.values(), key=lambda entry: entry.path)
    _check(shown(path), entries, read.skipped)
    if not lenient:
        _check_classes(shown(path), entries)
    labels = sorted({entry.label for entry in entries}, key=natural_key)
    table = json.dumps([(entry.path, entry.label, entry.split) for entry in entries])
    digest = hashlib.sha256(table.encode()).hexdigest()
    return Listing(root, tuple(labels), tuple(entries), tuple(read.skipped), digest)


def _parquet_rows(path: Path) -> Iterator[Row]:
    table = Table.open(path)
    names = _columns(shown(path), table.columns)
    for number, row in enumerate(table.rows(list(names.values())), 1):
        values = {name: row[column] for name, column in names.items()}
        texts = {name: "" if value is None else str(value) for name, value in values.items()}
        yield number, texts["path"], texts["label"], texts.get("split", "")


def _csv_rows(path: Path) -> Iterator[Row]:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{shown(path)} has more than {MAX_BYTES:,} bytes", "split it")
    encoding, errors = _encoding(path)
    with path.open(encoding=encoding, errors=errors, newline="") as stream:
        try:
            header = stream.readline()
            delimiter = max(_DELIMITERS.get(path.suffix.lower(), ","), key=header.count)
            head = next(csv.reader([header], delimiter=delimiter), [])
            names = _columns(shown(path), head)
            at = {name: head.index(column) for name, column in names.items()}
            for number, row in enumerate(csv.reader(stream, delimiter=delimiter), 2):
                if row:
                    cells = {name: row[i] if i < len(row) else "" for name, i in at.items()}
                    yield number, cells["path"], cells["label"], cells.get("split", "")
        except csv.Error as error:
            raise DataError(f"{shown(path)} is no CSV: {error}", "write it again") from error
        except UnicodeError as error:
            raise DataError(f"{shown(path)} is no text in UTF-16: {error}", _AS_UTF_8) from error


def _encoding(path: Path) -> tuple[str, str]:
    """(encoding, what is done about bytes that do not fit it) of a table, by its first bytes.

    Raises DataError for those that are not read.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    if head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise DataError(f"{shown(path)} is in UTF-32", _AS_UTF_8)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "strict"
    if b"\0" in head:
        raise DataError(f"{shown(path)} is in UTF-16 without its mark, or is no text", _AS_UTF_8)
    # A byte that is not UTF-8 may be one of a file's name.
    return "utf-8-sig", "surrogateescape"


def _columns(table: str, head: Sequence[str]) -> Mapping[str, str]:
    """path, label and, where it is there, split -> the column's own name."""
    by_name = {column.strip().casefold(): column for column in reversed(head)}
    found = {
        name: next((by_name[alias] for alias in aliases if alias in by_name), None)
        for name, aliases in COLUMNS.items()
    }
    for name in ("path", "label"):
        if found[name] is None:
            raise DataError(
                f"{table} has no column {name!r}: its first line is {some(head, 8) or 'empty'}",
                f"name one of its columns so, or one of: {', '.join(COLUMNS[name])}",
            )
    return {name: column for name, column in found.items() if column is not None}


@dataclass
class _Read:
    """The rows so far. entries: by path."""

    root: Path
    table: str

    def __post_init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.skipped: list[Skipped] = []
        self._base = os.path.normpath(self.root.absolute())

    def add(self, number: int, path: str, label: str, split: str) -> None:
        where = f"row {number} of {self.table}"
        label = label_of(label.strip())
        if not path.strip() or not label:
            self.skipped.append(Skipped(printable(path) or where, f"{where} lacks path or label"))
            return
        name = self._below(path.strip(), where)
        given = _split(split.strip(), where)
        known = self.entries.get(name)
        if known is None:
            self._stat(name, label, given)
        elif (known.label, known.split) != (label, given):
            raise DataError(
                f"{where}: {printable(name)} is {label!r} in {given or 'no split'}, but was "
                f"{known.label!r} in {known.split or 'no split'} before",
                "keep one row of each image: a classifier has one class per image",
            )
        else:
            self.skipped.append(Skipped(printable(name), "listed more than once"))

    def _below(self, path: str, where: str) -> str:
        """`path` relative to the table's folder, with forward slashes."""
        if "\0" in path:
            raise DataError(f"{where} has a zero byte in its path", "write the table again")
        whole = os.path.normpath(os.path.join(self._base, path))  # noqa: PTH118 - it ends '..'
        inner = os.path.relpath(whole, self._base)
        if inner == os.curdir or Path(inner).parts[0] == os.pardir:
            raise DataError(
                f"{where}: {printable(path)} does not lie below {printable(self._base)}",
                "move the table into a folder above all of its images",
            )
        return inner

    def _stat(self, name: str, label: str, split: str | None) -> None:
        try:
            status = (self.root / name).stat()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.skipped.append(Skipped(printable(name), f"cannot be read: {reason}"))
            return
        if not stat.S_ISREG(status.st_mode):
            self.skipped.append(Skipped(printable(name), "not a regular file"))
        elif status.st_size > MAX_FILE_BYTES:
            reason = f"{status.st_size:,} bytes are more than an image has"
            self.skipped.append(Skipped(printable(name), reason))
        else:
            self.entries[name] = Entry(name, label, split, status.st_size, status.st_mtime_ns)


def _split(name: str, where: str) -> str | None:
    if not name:
        return None
    if name.casefold() not in SPLIT_NAMES:
        raise DataError(
            f"{where} has the split {printable(name)!r}", f"valid: {', '.join(SPLIT_NAMES)}"
        )
    return SPLIT_NAMES[name.casefold()]


def _check(table: str, entries: Sequence[Entry], skipped: Iterable[Skipped]) -> None:
    """Raises DataError where there is no image, or the splits are not given rightly."""
    first = next((f": {row.file}: {row.reason}" for row in skipped), "")
    if not entries and not first:
        raise DataError(f"{table} has no rows", "write one row an image below its first line")
    if not entries:
        raise DataError(f"none of the images of {table} can be read{first}", "check its paths")
    counts = Counter(entry.split for entry in entries)
    if None in counts and len(counts) > 1:
        raise DataError(
            f"{counts[None]} rows of {table} have no split, others do",
            "give every row its split, or none",
        )
    if None not in counts and "train" not in counts:
        given = some(split for split in SPLITS if split in counts)
        raise DataError(f"{table} has the splits {given} but no 'train'", "add one")


def _check_classes(table: str, entries: Sequence[Entry]) -> None:
    """Raises DataError for a single class, or classes that are not in every split."""
    by_split: dict[str, set[str]] = {}
    for entry in entries:
        if entry.split:
            by_split.setdefault(entry.split, set()).add(entry.label)
    check_same_classes(table, by_split)
    labels = {entry.label for entry in entries}
    if len(labels) < 2:
        raise DataError(
            f"{table} has only one class, {labels.pop()!r}: a classifier needs two",
            "add images of another class",
        )
