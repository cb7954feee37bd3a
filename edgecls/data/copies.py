"""The same image in several files: which one is kept, and which cannot be believed.

Copies with one label are reported as duplicates of the one that is kept. Copies with different
labels contradict each other: none is kept. A copy in another given split is a leak: a figure on
that split would be measured on images that were seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from edgecls.data.listing import SPLITS, Skipped, printable
from edgecls.errors import DataError, unknown_name

LEAKS = ("error", "drop")


@dataclass(frozen=True, slots=True)
class Item:
    """An image that could be decoded. identity: equal for equal pixels. split: given, or None."""

    path: str
    label: str
    identity: str
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A file that was left out because another has the same pixels. Both printable."""

    file: str
    same_as: str


@dataclass(frozen=True)
class Distinct:
    """What is left of some items: no two with the same pixels."""

    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]
    duplicates: tuple[Duplicate, ...]
    notes: tuple[str, ...]


def one_of_each(items: Iterable[Item], leaks: str) -> Distinct:
    """Keep one item for every image; of copies in several splits the one nearest to test.

    leaks: ``error`` or ``drop``. Raises DataError for a leak, unless it is to be dropped.
    """
    if leaks not in LEAKS:
        raise unknown_name("way to treat leaks", leaks, LEAKS)
    groups: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: item.path):
        groups.setdefault(item.identity, []).append(item)
    kept: list[Item] = []
    skipped: list[Skipped] = []
    duplicates: list[Duplicate] = []
    leaked: list[tuple[Item, Item]] = []
    for copies in groups.values():
        if len({item.label for item in copies}) > 1:
            skipped += _contradiction(copies)
            continue
        best = max(copies, key=_worth)
        kept.append(best)
        for item in copies:
            if item is not best:
                duplicates.append(Duplicate(printable(item.path), printable(best.path)))
                leaked += [(item, best)] if item.split != best.split else []
    if leaked and leaks == "error":
        raise _leak(leaked)
    notes = _notes(skipped, duplicates, leaked)
    return Distinct(tuple(kept), tuple(skipped), tuple(duplicates), notes)


def _worth(item: Item) -> int:
    return SPLITS.index(item.split) if item.split else 0


def _contradiction(copies: list[Item]) -> list[Skipped]:
    found = []
    for item in copies:
        other = next(copy for copy in copies if copy.label != item.label)
        reason = f"contradiction: {printable(other.path)} has the same pixels and another label"
        found.append(Skipped(printable(item.path), reason))
    return found


def _leak(leaked: list[tuple[Item, Item]]) -> DataError:
    examples = ", ".join(
        f"{printable(item.path)} = {printable(best.path)}" for item, best in leaked[:3]
    )
    return DataError(
        f"{len(leaked)} images are in two of the given splits, such as {examples}",
        f'remove the copies from {_sides(leaked)}, or have them left out with leaks = "drop"',
    )


def _sides(leaked: list[tuple[Item, Item]]) -> str:
    return " and ".join(split for split in SPLITS if split in {item.split for item, _ in leaked})


def _notes(
    skipped: list[Skipped], duplicates: list[Duplicate], leaked: list[tuple[Item, Item]]
) -> tuple[str, ...]:
    notes = []
    if skipped:
        notes.append(f"{len(skipped)} files left out: the same pixels have different labels")
    for (here, there), count in Counter((a.split, b.split) for a, b in leaked).items():
        notes.append(f"{count} files dropped from {here}: {there} has the same pixels")
    if len(duplicates) > len(leaked):
        notes.append(f"{len(duplicates) - len(leaked)} files left out as duplicates")
    return tuple(notes)
