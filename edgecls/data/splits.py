"""Who trains, who chooses, who judges: splits that share no image, by content and not by name.

Each class is ranked by ``sha256(seed, pixels)`` and cut: first test, then validation, the rest is
train. So the draw does not depend on names, places or the order of files, and a new image moves
none of another class, and at most one across each cut of its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgecls.data.copies import Duplicate, Item, one_of_each
from edgecls.data.listing import SPLITS, Skipped, some
from edgecls.errors import DataError, UsageError


@dataclass(frozen=True)
class SplitFractions:
    """The share of every class that goes into each split.

    Where the data give validation or test, the share of the other is of what they give for train.
    """

    train: float = 0.65
    validation: float = 0.15
    test: float = 0.2

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        if not (min(shares) > 0 and abs(sum(shares) - 1) < 1e-6):
            raise UsageError(
                f"split fractions {shares} are not three positive numbers with the sum 1",
                "such as train 0.65, validation 0.15, test 0.2",
            )

    def __getitem__(self, split: str) -> float:
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


@dataclass(frozen=True)
class Drawing:
    """splits: train, validation, test and calibration (a part of train), each in random order.

    Any first part of a split is a random sample; of calibration it is class-balanced too.
    """

    splits: Mapping[str, tuple[Item, ...]]
    skipped: tuple[Skipped, ...]
    duplicates: tuple[Duplicate, ...]
    notes: tuple[str, ...]


def draw(
    items: Iterable[Item],
    labels: Sequence[str],
    fractions: SplitFractions,
    seed: int,
    *,
    leaks: str = "error",
    calibration: int = 300,
) -> Drawing:
    """Put every distinct image into one split; given splits are kept, missing ones are drawn.

    leaks: what happens to an image that two given splits share: ``error``, or ``drop`` from
    train (from validation where test has it). calibration: how many images of train, at most.
    Raises DataError for such a leak, and for a class with too few images to be in every split.
    """
    if calibration < 1:
        raise UsageError(f"calibration needs at least one image, not {calibration}")
    distinct = one_of_each(items, leaks)
    given = {item.split for item in distinct.items if item.split}
    missing = tuple(split for split in SPLITS[1:] if split not in given)
    classes: dict[str, list[Item]] = {label: [] for label in labels}
    for item in ranked(distinct.items, seed, "split"):
        classes[item.label].append(item)
    _check_sizes(classes, tuple(sorted(given)), missing, len(distinct.skipped))
    splits: dict[str, list[Item]] = {split: [] for split in SPLITS}
    for members in classes.values():
        pool = [item for item in members if item.split in (None, "train")]
        for item in members:
            if item.split in SPLITS[1:]:
                splits[item.split].append(item)
        start = 0
        for split, count in _counts(len(pool), fractions, missing).items():
            splits[split] += pool[start : start + count]
            start += count
        splits["train"] += pool[start:]
    mixed = {name: tuple(ranked(part, seed, "order")) for name, part in splits.items()}
    mixed["calibration"] = tuple(balanced(splits["train"], calibration, seed, "calibration"))
    drawn = [f"{split} is drawn from train" for split in missing]
    notes = (*distinct.notes, *(drawn if given else ()))
    return Drawing(mixed, distinct.skipped, distinct.duplicates, notes)


def ranked(items: Iterable[Item], seed: int, purpose: str) -> list[Item]:
    """`items` in an order that depends on their pixels, the seed and the purpose alone."""
    return sorted(items, key=lambda item: _rank(seed, purpose, item.identity))


def balanced(items: Iterable[Item], count: int, seed: int, purpose: str) -> list[Item]:
    """At most `count` of `items`, from each class in turn; which class is first is drawn too."""
    turns: Counter[str] = Counter()
    rows: list[tuple[int, str, Item]] = []
    for item in ranked(items, seed, purpose):
        rows.append((turns[item.label], _rank(seed, purpose, item.label), item))
        turns[item.label] += 1
    return [item for _, _, item in sorted(rows, key=lambda row: row[:2])[:count]]


def _rank(seed: int, purpose: str, name: str) -> str:
    return hashlib.sha256(f"{seed} {purpose} {name}".encode()).hexdigest()


def _counts(size: int, fractions: SplitFractions, missing: Sequence[str]) -> dict[str, int]:
    """How many of `size` images each missing split takes; it and train get at least one."""
    counts = {split: max(1, int(size * fractions[split] + 0.5)) for split in reversed(missing)}
    while sum(counts.values()) > size - 1:
        counts[max(counts, key=lambda split: counts[split])] -= 1
    return counts


def _check_sizes(
    classes: Mapping[str, Sequence[Item]],
    given: Sequence[str],
    missing: Sequence[str],
    num_contradictions: int,
) -> None:
    """Raises DataError for a class that cannot have an image in every split."""
    needs = {"train": 1 + len(missing), "validation": 1, "test": 1}
    short: dict[str, list[str]] = defaultdict(list)
    for label, members in classes.items():
        have = Counter(item.split or "train" for item in members)
        for split in ("train", *(split for split in given if split != "train")):
            if have[split] < needs[split]:
                short[split].append(f"{label} ({have[split]})")
    for split, names in short.items():
        where = f" in {split}" if given else ""
        purpose = f", one each for train, {' and '.join(missing)}" if missing else ""
        need = f"{needs[split]}{purpose if split == 'train' else ''}"
        cure = "add images to them, or remove the classes"
        if num_contradictions:
            cure += (
                f"; {num_contradictions:,} images were left out because the same pixels stand "
                "under another label: edgecls data inspect lists them"
            )
        raise DataError(
            f"classes with too few different images that can be used{where}: {some(names)}; "
            f"at least {need} are needed",
            cure,
        )
