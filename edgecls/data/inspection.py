"""What a set of images holds, found by decoding every one of them: counts, sizes, kinds, faults.

Nothing is refused here but a source that cannot be listed at all: what would stop a training is
what one wants to see.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from edgecls.core import Progress, SilentProgress
from edgecls.data import contact
from edgecls.data.contact import Sheet, sheet
from edgecls.data.copies import Duplicate
from edgecls.data.images import pixels, quiet_decoders, read
from edgecls.data.listing import SPLITS, Entry, Listing, Skipped, printable
from edgecls.data.pool import mapped
from edgecls.device.preprocess import DAMAGED, FORMATS, ImageError, Preprocess

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIGURES = "inspection.json"  # the name of the file of an `Inspection`
ALL = "images"  # the name of the one split where none are given
_ORIENTATION = 0x0112
_THUMBNAIL = Preprocess((contact.SIDE, contact.SIDE), resize="pad", fill=128)


@dataclass(frozen=True)
class Sizes:
    """Pixels of the upright images."""

    min: int
    median: int
    max: int


@dataclass(frozen=True)
class Inspection:
    """What was found. Names are printable.

    counts: split -> label -> images that can be used; the split is ``images`` where none are given.
    formats, modes: as the files are stored. imbalance: the largest class over the smallest, or None
    where one is empty. within, across: copies by pixels, in one split and between two.
    contradictions: files whose pixels have another label elsewhere. corrupt: what is no image that
    can be used; skipped: what was not looked at.
    """

    source: str
    labels: tuple[str, ...]
    num_files: int
    num_images: int
    counts: Mapping[str, Mapping[str, int]]
    widths: Sizes | None
    heights: Sizes | None
    formats: Mapping[str, int]
    modes: Mapping[str, int]
    num_exif_rotated: int
    num_animated: int
    imbalance: float | None
    within: tuple[Duplicate, ...]
    across: tuple[Duplicate, ...]
    contradictions: tuple[Duplicate, ...]
    corrupt: tuple[Skipped, ...]
    skipped: tuple[Skipped, ...]

    @property
    def empty(self) -> tuple[str, ...]:
        """The classes without an image that can be used, and in which split, where it is given."""
        return tuple(
            label if split == ALL else f"{label} in {split}"
            for split, of_label in self.counts.items()
            for label, count in of_label.items()
            if not count
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Found:
    """One file. format, mode, size: of the stored image; size upright. reason: it is corrupt."""

    entry: Entry
    reason: str = ""
    identity: str = ""
    format: str = ""
    mode: str = ""
    size: tuple[int, int] = (0, 0)
    rotated: bool = False
    animated: bool = False


def inspect(
    listing: Listing, source: str, progress: Progress | None = None, workers: int = 0
) -> tuple[Inspection, Sheet]:
    """Decode every image; what was found, and a contact sheet. source: what the report names."""
    progress = progress or SilentProgress()
    found = []
    with quiet_decoders():
        for record in mapped(lambda entry: _look(listing, entry), listing.entries, workers):
            found.append(record)
            progress.step(len(found), len(listing.entries), "decoding")
        usable = [record for record in found if not record.reason]
        picture = sheet(_rows(listing, usable))
    counts = _counts(listing, usable)
    within, across, contradictions = _copies(usable)
    inspection = Inspection(
        source=printable(source),
        labels=listing.labels,
        num_files=len(found),
        num_images=len(usable),
        counts=counts,
        widths=_sizes(record.size[0] for record in usable),
        heights=_sizes(record.size[1] for record in usable),
        formats=dict(Counter(record.format for record in usable).most_common()),
        modes=dict(Counter(record.mode for record in usable).most_common()),
        num_exif_rotated=sum(record.rotated for record in usable),
        num_animated=sum(record.animated for record in usable),
        imbalance=_imbalance(listing.labels, counts),
        within=within,
        across=across,
        contradictions=contradictions,
        corrupt=tuple(Skipped(printable(r.entry.path), r.reason) for r in found if r.reason),
        skipped=listing.skipped,
    )
    return inspection, picture


def _look(listing: Listing, entry: Entry) -> _Found:
    try:
        data = read(listing.root / entry.path)
        decoded = pixels(data, _THUMBNAIL)
    except ImageError as error:
        return _Found(entry, error.cause)
    # It was decoded, so its header can be read.
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        rotated = image.getexif().get(_ORIENTATION, 1) in range(2, 9)
        kind, mode = image.format or "", image.mode
        animated = _has_more(image)
    size = decoded.image.size
    return _Found(entry, "", decoded.identity, kind, mode, size, rotated, animated)


def _has_more(image: Image.Image) -> bool:
    """Whether there are more frames than the one that is used; they may be damaged."""
    try:
        return bool(getattr(image, "n_frames", 1) > 1)
    except DAMAGED:
        return True


def _counts(listing: Listing, usable: Iterable[_Found]) -> dict[str, dict[str, int]]:
    found = Counter((r.entry.split or ALL, r.entry.label) for r in usable)
    splits = listing.given_splits or (ALL,)
    return {split: {label: found[split, label] for label in listing.labels} for split in splits}


def _sizes(values: Iterable[int]) -> Sizes | None:
    known = list(values)
    return Sizes(min(known), int(median(known)), max(known)) if known else None


def _imbalance(labels: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> float | None:
    totals = [sum(split[label] for split in counts.values()) for label in labels]
    return max(totals) / min(totals) if min(totals, default=0) else None


def _copies(
    usable: Sequence[_Found],
) -> tuple[tuple[Duplicate, ...], tuple[Duplicate, ...], tuple[Duplicate, ...]]:
    """(within a split, across splits, contradictions), each file beside the first of its group."""
    groups: dict[str, list[_Found]] = {}
    for record in usable:
        groups.setdefault(record.identity, []).append(record)
    within, across, contradictions = [], [], []
    for group in groups.values():
        # The first of test: a copy elsewhere is then one of a test image.
        first = max(group, key=lambda r: SPLITS.index(r.entry.split) if r.entry.split else 0)
        for record in group:
            if record is first:
                continue
            pair = Duplicate(printable(record.entry.path), printable(first.entry.path))
            if record.entry.label != first.entry.label:
                contradictions.append(pair)
            elif record.entry.split != first.entry.split:
                across.append(pair)
            else:
                within.append(pair)
    return tuple(within), tuple(across), tuple(contradictions)


def _rows(listing: Listing, usable: Iterable[_Found]) -> dict[str, list[NDArray[np.uint8]]]:
    """Thumbnails: of every class those whose pixels' hashes come first, so a fixed sample."""
    rows: dict[str, list[NDArray[np.uint8]]] = {}
    by_label: dict[str, list[_Found]] = {label: [] for label in listing.labels[: contact.CLASSES]}
    for record in usable:
        if record.entry.label in by_label:
            by_label[record.entry.label].append(record)
    for label, records in by_label.items():
        chosen = sorted(records, key=lambda record: record.identity)[: contact.COLUMNS]
        rows[label] = [_thumbnail(listing, record) for record in chosen]
    return rows


def _thumbnail(listing: Listing, record: _Found) -> NDArray[np.uint8]:
    """At its own size where it is small: the sheet enlarges it without blurring."""
    data = read(listing.root / record.entry.path)
    if max(record.size) <= contact.SIDE:
        return Preprocess(record.size[::-1]).load(data)
    return _THUMBNAIL.load(data)
