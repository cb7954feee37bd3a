"""Images in Hugging Face's tables: what `datasets.save_to_disk` writes, or Parquet files.

Read by pyarrow alone, so that nothing is imported, downloaded or cached by anyone else. The column
of the images is the one that holds encoded images; that of the labels a ClassLabel, or one that is
called so. The bytes of every image stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls.core import Progress
from edgecls.data.listing import SPLIT_NAMES, some
from edgecls.data.sources.packed import Packed, class_folders, files_of, names_in, shown
from edgecls.data.sources.parquet import Table
from edgecls.errors import DataError

_STATE, _SPLITS = "state.json", "dataset_dict.json"
_LABELS = ("label", "labels", "fine_label", "class", "category", "target")
# Only for people who look at the files: they are decoded by content.
_SUFFIXES = ((b"\xff\xd8", "jpg"), (b"\x89PNG", "png"), (b"RIFF", "webp"), (b"GIF8", "gif"))
_PART = re.compile(r"([A-Za-z]+)(?:[-_.].*)?\.parquet")

Parts = Mapping[str, Sequence[str]]


def find(path: Path) -> Packed | None:
    """The tables of `path`, a folder or a Parquet file. Raises DataError for an unknown split."""
    names = names_in(path)
    if path.suffix == ".parquet" and path.is_file():
        return _packed(path.parent, {"train": [path.name]}) if Table.open(path).images else None
    if _SPLITS in names:
        found = _json(path / _SPLITS).get("splits")
        splits = [str(name) for name in found] if isinstance(found, list) else []
        parts = {name: _saved(path, f"{_plain(path, name)}/") for name in splits}
        return _packed(path, parts)
    if _STATE in names:
        return _packed(path, {"train": _saved(path, "")})
    if sum((path / name).is_dir() for name in names) > 1:
        return None  # classes, and a table beside them
    for folder in (path, path / "data"):
        tables = sorted(name for name in names_in(folder) if name.endswith(".parquet"))
        if tables and Table.open(folder / tables[0]).images:
            return _packed(folder, _by_split(tables))
    return None


def _saved(root: Path, below: str) -> list[str]:
    """The Arrow files of one split that `save_to_disk` wrote."""
    rows = _json(root / below / _STATE).get("_data_files")
    files = [row["filename"] for row in rows if isinstance(row, dict)] if rows else []
    return [below + _plain(root, str(name)) for name in files]


def _by_split(tables: Sequence[str]) -> Parts:
    """``train-00000-of-00001.parquet`` is of train, as is a name that says nothing."""
    found: dict[str, list[str]] = {}
    for name in tables:
        match = _PART.fullmatch(name)
        split = match[1] if match and match[1].casefold() in SPLIT_NAMES else "train"
        found.setdefault(split, []).append(name)
    return found


def _packed(root: Path, parts: Parts) -> Packed:
    unknown = [name for name in parts if name.casefold() not in SPLIT_NAMES]
    if unknown or not parts or not all(parts.values()):
        raise DataError(
            f"{shown(root)} has the splits {some(parts) or 'none'}, of which "
            f"{some(unknown) or 'one has no files'}",
            f"save those that you want under these names: {', '.join(SPLIT_NAMES)}",
        )
    files = files_of(root, [name for names in parts.values() for name in names])
    return Packed(
        "tables-" + "-".join(sorted(f"{split}:{len(names)}" for split, names in parts.items())),
        files,
        ("pyarrow",),
        lambda out, work, progress: _unpack(root, parts, out, progress),
    )


def _unpack(root: Path, parts: Parts, out: Path, progress: Progress) -> None:
    total = sum(len(names) for names in parts.values())
    done = 0
    for split, names in parts.items():
        number = 0
        for name in names:
            number = _Writer(root / name, out / SPLIT_NAMES[split.casefold()]).write(number)
            done += 1
            progress.step(done, total, "unpacking")


@dataclass(frozen=True)
class _Writer:
    table: Path
    out: Path

    def write(self, number: int) -> int:
        """Write the images of a table, numbered from `number`; returns the next number."""
        table = Table.open(self.table)
        image, label = self._columns(table)
        names = table.features.get(label, {}).get("names")
        folders = class_folders([str(name) for name in names]) if isinstance(names, list) else ()
        for row in table.rows([image, label]):
            data = (row[image] or {}).get("bytes")
            if not isinstance(data, bytes):
                raise self._unusable(f"row {number} has no image in it", "save it with its images")
            folder = self.out / self._folder(row[label], folders, number)
            folder.mkdir(parents=True, exist_ok=True)
            suffix = next((end for start, end in _SUFFIXES if data.startswith(start)), "img")
            (folder / f"{number:07d}.{suffix}").write_bytes(data)
            number += 1
        return number

    def _columns(self, table: Table) -> tuple[str, str]:
        """The columns of the images and of the labels."""
        named = [name for name in table.columns if _kind(table.features, name) == "ClassLabel"]
        usual = [name for name in _LABELS if name in table.columns]
        labels = [name for name in usual if name in named] or named or usual
        if not table.images or not labels:
            raise self._unusable(
                f"its columns are {some(table.columns, 8)}",
                f"it needs a column of images and one of labels, called {', '.join(_LABELS)}",
            )
        return table.images[0], labels[0]

    def _folder(self, label: Any, folders: Sequence[str], number: int) -> str:
        if folders and isinstance(label, int) and 0 <= label < len(folders):
            return folders[label]
        if folders or not isinstance(label, (str, int)) or label in ("", -1):
            raise self._unusable(
                f"row {number} has the label {str(label)[:40]!r}", "leave out what has no label"
            )
        return class_folders([str(label)])[0]

    def _unusable(self, reason: str, fix: str) -> DataError:
        return DataError(f"{shown(self.table)} cannot be used: {reason}", fix)


def _kind(features: Mapping[str, Any], name: str) -> str:
    return str(features.get(name, {}).get("_type"))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{shown(path)} cannot be read: {error}", "save it again") from error
    if not isinstance(found, dict):
        raise DataError(f"{shown(path)} is damaged", "save it again")
    return found


def _plain(root: Path, name: str) -> str:
    """`name`, which leads to no other folder."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise DataError(f"{shown(root)} names the file {name!r}", "save it again")
    return name
