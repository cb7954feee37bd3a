"""A folder with one folder a class: its classes, its splits where it gives them, and its files.

Two layouts: ``root/<class>/**`` (the tool draws the splits) and
``root/{train,val|valid|validation,test}/<class>/**`` (they are given; only train is required).
Nothing is opened here: whether a file is an image is found when it is decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from edgecls.data.listing import SPLITS, Entry, Listing, Skipped, natural_key, printable, some
from edgecls.data.sources.packed import UNDERSTOOD
from edgecls.data.walk import ClassFolder, is_hidden, walk
from edgecls.device.classify import label_of
from edgecls.errors import DataError

_SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_LAYOUT = "one folder per class, named after it, such as {root}/cat/1.jpg and {root}/dog/1.jpg"


def scan(root: Path, lenient: bool = False) -> Listing:
    """Every file of every class below `root`.

    Raises DataError where there is no such folder, or none of a class in it; unless `lenient` also
    where it has one class alone, a class without files, or where the given splits do not have the
    same classes. Otherwise class folders without files are listed as skipped.
    """
    names, loose = _children(root)
    split_names = _given_splits(root, names)
    folders: list[ClassFolder] = []
    for name, split in split_names.items():
        inner, more = _children(root / name)
        folders += [ClassFolder(f"{name}/{child}", label_of(child), split) for child in inner]
        loose += [f"{name}/{file}" for file in more]
    if not split_names:
        folders = [ClassFolder(name, label_of(name), None) for name in names]
    splits = tuple(split_names.values())
    _check_any(root, folders, splits, loose)
    if not lenient:
        _check_classes(root, folders, splits)
    entries, skipped = walk(root, folders)
    skipped += [Skipped(printable(file), "lies outside the class folders") for file in loose]
    labels = sorted({folder.label for folder in folders}, key=natural_key)
    empty = _without_files(folders, entries)
    if empty and not lenient:
        raise _no_files(empty, skipped)
    skipped += [Skipped(name, "a class folder without a file") for name in empty]
    return Listing(root, tuple(labels), tuple(entries), tuple(skipped))


def _children(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in `folder`, hidden ones left out."""
    shown = printable(str(folder))
    try:
        found = sorted(child for child in folder.iterdir() if not is_hidden(child.name))
        folders = {child.name: None for child in found if child.is_dir()}
    except FileNotFoundError as error:
        raise DataError(f"the folder {shown} does not exist", "check its path") from error
    except NotADirectoryError as error:
        raise DataError(
            f"{shown} is a file, not a folder of images",
            f"unpack it first, if it is an archive; understood are: {UNDERSTOOD}",
        ) from error
    except OSError as error:
        raise DataError(
            f"{shown} cannot be read: {error.strerror}", "check its path and permissions"
        ) from error
    return list(folders), [child.name for child in found if child.name not in folders]


def _given_splits(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Folder name -> split, empty where the folders of `root` are classes.

    'train' beside 'bus' and 'car' is a class, unless it has folders of its own.
    """
    splits = {
        name: _SPLIT_FOLDERS[name.casefold()] for name in names if name.casefold() in _SPLIT_FOLDERS
    }
    shown = printable(str(root))
    others = [printable(name) for name in names if name not in splits]
    train = next((name for name, split in splits.items() if split == "train"), None)
    if not splits or (others and (train is None or not _children(root / train)[0])):
        return {}
    if others:
        raise DataError(
            f"{shown} holds both splits ({some(splits)}) and other folders ({some(others)})",
            "move the others elsewhere, or rename the class that is called like a split",
        )
    if train is None:
        raise DataError(
            f"{shown} holds {some(splits)} but no 'train'",
            f"add {shown}/train/<class>, or give the folder that holds the classes",
        )
    twice = [name for name, count in Counter(splits.values()).items() if count > 1]
    if twice:
        same = [name for name, split in splits.items() if split == twice[0]]
        raise DataError(
            f"{shown} has the {twice[0]} split {len(same)} times: {some(same)}", "keep one of them"
        )
    return splits


def _check_any(
    root: Path, folders: Sequence[ClassFolder], splits: Sequence[str], loose: Sequence[str]
) -> None:
    """Raises DataError where there is no class folder."""
    if folders:
        return
    shown = printable(str(root))
    where = "in it" if not splits else "in " + " and ".join(sorted(splits, key=SPLITS.index))
    what = f"{len(loose)} files lie directly {where}" if loose else "it is empty"
    raise DataError(
        f"{shown} has no class folders: {what}",
        f"make {_LAYOUT.format(root=shown)}; understood are: {UNDERSTOOD}",
    )


def _check_classes(root: Path, folders: Sequence[ClassFolder], splits: Sequence[str]) -> None:
    """Raises DataError for a single class, or classes that are not in every split."""
    shown = printable(str(root))
    check_same_classes(
        shown,
        {split: {folder.label for folder in folders if folder.split == split} for split in splits},
    )
    labels = {folder.label for folder in folders}
    if len(labels) < 2:
        only = root / folders[0].path
        inside = _children(only)[0] if folders[0].split is None else []
        hint = f"; if {printable(str(only))} holds the classes, give that folder" if inside else ""
        raise DataError(
            f"{shown} has only one class, {labels.pop()!r}: a classifier needs two",
            f"make {_LAYOUT.format(root=shown)}{hint}",
        )


def check_same_classes(shown: str, by_split: Mapping[str, Set[str]]) -> None:
    """Raises DataError where a class is in one of the given splits and not in another."""
    labels = sorted({label for found in by_split.values() for label in found}, key=natural_key)
    lacks = [
        f"{split} lacks {some(label for label in labels if label not in by_split[split])}"
        for split in SPLITS
        if split in by_split and len(by_split[split]) < len(labels)
    ]
    if lacks:
        raise DataError(
            f"the splits of {shown} do not have the same classes: {'; '.join(lacks)}",
            "give every split images of every class, or remove the classes that lack some",
        )


def _without_files(folders: Sequence[ClassFolder], entries: Sequence[Entry]) -> list[str]:
    """The class folders of which no file is listed, printable."""
    filled = {(entry.label, entry.split) for entry in entries}
    return [printable(f.path) for f in folders if (f.label, f.split) not in filled]


def _no_files(names: Sequence[str], skipped: Sequence[Skipped]) -> DataError:
    reasons = [f" ({s.file}: {s.reason})" for s in skipped if s.file.startswith(names[0])]
    return DataError(
        f"class folders without a file: {some(names)}" + "".join(reasons[:1]),
        "put images into them, or remove them",
    )
