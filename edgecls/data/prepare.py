"""From a folder of images to arrays that training, quantization and measuring read.

Every file is decoded once, by the device's own code, into a scratch file; then the splits are
drawn by content and gathered from it. Of images that are too many for that, the smaller splits are
decoded again and kept, the larger ones streamed from their files. A damaged file is listed and left
out, never fatal.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from edgecls.core import Images, Progress, SilentProgress
from edgecls.data import contact, golden
from edgecls.data.copies import Item
from edgecls.data.fingerprint import combine
from edgecls.data.images import pixels, quiet_decoders, read
from edgecls.data.listing import Entry, Listing, Skipped, printable
from edgecls.data.pool import mapped
from edgecls.data.prepared import (
    GOLDEN,
    write_classes,
    write_description,
    write_files,
    write_golden,
    write_split,
)
from edgecls.data.scratch import Scratch, room
from edgecls.data.sources import scan
from edgecls.data.splits import Drawing, SplitFractions, draw
from edgecls.data.streamed import File, Streamed
from edgecls.device.preprocess import ImageError, Preprocess
from edgecls.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CACHE_BYTES = 16_000_000_000
# Measured with JPEGs: below it two threads are slower than one.
_TINY_FILE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class _Record:
    """What decoding one file gave. reason: why it cannot be used, else empty."""

    entry: Entry
    row: int
    sha256: str = ""
    identity: str = ""
    num_pixels: int = 0
    reason: str = ""


def prepare(
    root: Path,
    preprocess: Preprocess,
    fractions: SplitFractions,
    seed: int,
    out: Path,
    *,
    leaks: str = "error",
    calibration: int = 300,
    cache_bytes: int = CACHE_BYTES,
    progress: Progress | None = None,
    workers: int = 0,
) -> None:
    """Decode the images below `root` and write their splits into the empty folder `out`.

    root: what `scan` reads. leaks, calibration: see `draw`. cache_bytes: of decoded images that
    are kept at most; calibration always is. workers: threads that decode; 0 chooses.
    What was left out, and why, stands in data.json; see `prepared`. Raises DataError where the
    folder cannot be used, or a class has too few images that can.
    """
    listing = scan(root)
    out.mkdir(parents=True, exist_ok=True)
    shape = preprocess.input_shape[1:]
    count, row_bytes = len(listing.entries), prod(shape)
    most_bytes = room(out, min(calibration, count) * row_bytes, cache_bytes)
    with ExitStack() as stack:
        stack.enter_context(quiet_decoders())
        scratch = None
        if count * row_bytes <= most_bytes:
            scratch = stack.enter_context(Scratch(out, count, shape))
        records = _decode_all(listing, preprocess, scratch, progress, workers)
        _check_usable(records)
        used = {record.entry.path: record for record in records if not record.reason}
        items = [Item(path, r.entry.label, r.identity, r.entry.split) for path, r in used.items()]
        drawing = draw(items, listing.labels, fractions, seed, leaks=leaks, calibration=calibration)
        streamed = [] if scratch else _too_large(drawing, row_bytes, most_bytes)
        files = [File(record.entry.path, record.sha256) for record in records]
        tensors: Images = Streamed(listing.root, files, preprocess, workers, kept_bytes=0)
        if scratch:
            tensors = scratch.tensors()
        images = _golden(listing.root, drawing, used, tensors, preprocess, seed)
        number = {label: index for index, label in enumerate(listing.labels)}
        for split, members in drawing.splits.items():
            rows = [used[item.path].row for item in members]
            write_classes(out, split, [number[item.label] for item in members])
            if split in streamed:
                write_files(out, split, listing.root, [files[row] for row in rows])
            else:
                write_split(out, split, tensors, rows)
        sheet = _sheet(listing.labels, drawing, used, tensors, preprocess)
    (out / contact.NAME).write_bytes(sheet.jpeg)
    write_golden(out, [image.png for image in images])
    data = _description(listing, records, drawing, images)
    settings = {"preprocess": preprocess.to_json(), "seed": seed, "fractions": asdict(fractions)}
    about = {"contact": sheet.to_json(), "streamed": streamed}
    write_description(out, {**settings, **data, **about})


def _too_large(drawing: Drawing, row_bytes: int, most_bytes: int) -> list[str]:
    """The splits that are streamed: the smallest are kept for as long as they fit."""
    streamed, kept_bytes = [], 0
    for split, members in sorted(drawing.splits.items(), key=lambda part: len(part[1])):
        kept_bytes += len(members) * row_bytes
        # Int8 ranges are looked at again and again, and travel with every checkpoint.
        if kept_bytes > most_bytes and split != "calibration":
            streamed.append(split)
    return streamed


def _decode_all(
    listing: Listing,
    preprocess: Preprocess,
    scratch: Scratch | None,
    progress: Progress | None,
    workers: int,
) -> list[_Record]:
    """One record per entry; the tensors of those that can be used are in `scratch`, if any."""

    def decode(numbered: tuple[int, Entry]) -> _Record:
        row, entry = numbered
        digest = ""
        try:
            data = read(listing.root / entry.path)
            digest = hashlib.sha256(data).hexdigest()
            found = pixels(data, preprocess)
        except ImageError as error:
            return _Record(entry, row, digest, reason=error.cause)
        if scratch:
            scratch.put(row, found.tensor)
        size = found.image.width * found.image.height
        return _Record(entry, row, digest, found.identity, size)

    progress = progress or SilentProgress()
    workers = workers or _good_workers(listing)
    records = []
    for record in mapped(decode, enumerate(listing.entries), workers):
        records.append(record)
        progress.step(len(records), len(listing.entries), "decoding")
    return records


def _good_workers(listing: Listing) -> int:
    """1 or 0, one per core: tiny images spend their time in Python, where threads only wait."""
    return int(median(entry.size_bytes for entry in listing.entries) < _TINY_FILE_BYTES)


def _check_usable(records: Sequence[_Record]) -> None:
    """Raises DataError for a class of which no file can be used."""
    usable = {(r.entry.label, r.entry.split) for r in records if not r.reason}
    for record in records:
        label, split = record.entry.label, record.entry.split
        if (label, split) not in usable:
            where = f" in {split}" if split else ""
            raise DataError(
                f"class {label!r} has no image that can be used{where}: "
                f"{printable(record.entry.path)}: {record.reason}",
                "put images into its folder that Pillow can open, or remove it",
            )


def _golden(
    root: Path,
    drawing: Drawing,
    used: Mapping[str, _Record],
    tensors: Images,
    preprocess: Preprocess,
    seed: int,
) -> list[golden.Golden]:
    num_pixels = {path: record.num_pixels for path, record in used.items()}
    chosen = golden.choose(drawing.splits["train"], num_pixels, seed)
    wanted = [tensors[used[item.path].row] for item in chosen]
    return golden.make(root, chosen, wanted, preprocess)


def _sheet(
    labels: Sequence[str],
    drawing: Drawing,
    used: Mapping[str, _Record],
    tensors: Images,
    preprocess: Preprocess,
) -> contact.Sheet:
    """Training images as the net sees them; their order is random, so the first are a sample."""
    rows: dict[str, list[NDArray[np.uint8]]] = {label: [] for label in labels[: contact.CLASSES]}
    for item in drawing.splits["train"]:
        if item.label in rows and len(rows[item.label]) < contact.COLUMNS:
            rows[item.label].append(tensors[used[item.path].row])
    return contact.sheet(rows, preprocess.mode)


def _description(
    listing: Listing,
    records: Sequence[_Record],
    drawing: Drawing,
    images: Sequence[golden.Golden],
) -> Mapping[str, Any]:
    hashes = {record.entry.path: record.sha256 for record in records}
    damaged = [Skipped(printable(r.entry.path), r.reason) for r in records if r.reason]
    counts = {split: Counter(i.label for i in part) for split, part in drawing.splits.items()}
    return {
        "labels": listing.labels,
        "fingerprint": combine(listing, hashes),
        "splits": {
            split: [{"path": printable(i.path), "sha256": hashes[i.path]} for i in part]
            for split, part in drawing.splits.items()
        },
        "counts": {
            split: {label: count[label] for label in listing.labels}
            for split, count in counts.items()
        },
        "golden": [
            {"file": f"{GOLDEN}/{index:03d}.png", "path": printable(image.path)}
            for index, image in enumerate(images)
        ],
        "skipped": [asdict(s) for s in (*listing.skipped, *damaged, *drawing.skipped)],
        "duplicates": [asdict(duplicate) for duplicate in drawing.duplicates],
        "notes": drawing.notes,
    }
