"""From a folder of images to arrays that training, quantization and measuring read.

Every file is decoded once, by the device's own code, into a scratch file; then the splits are
drawn by content and gathered from it. A damaged file is listed and left out, never fatal.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from edgecls.core import Progress, SilentProgress
from edgecls.data import golden
from edgecls.data.copies import Item
from edgecls.data.fingerprint import combine
from edgecls.data.images import pixels, quiet_decoders, read
from edgecls.data.listing import Entry, Listing, Skipped, printable
from edgecls.data.pool import mapped
from edgecls.data.prepared import GOLDEN, write_description, write_golden, write_split
from edgecls.data.scratch import Scratch
from edgecls.data.sources import scan
from edgecls.data.splits import Drawing, SplitFractions, draw
from edgecls.device.preprocess import ImageError, Preprocess
from edgecls.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    progress: Progress | None = None,
    workers: int = 0,
) -> None:
    """Decode the images below `root` and write their splits into the empty folder `out`.

    leaks, calibration: see `draw`. workers: threads that decode; 0 chooses.
    What was left out, and why, stands in data.json; see `prepared`. Raises DataError where the
    folder cannot be used, or a class has too few images that can.
    """
    listing = scan(root)
    out.mkdir(parents=True, exist_ok=True)
    shape = preprocess.input_shape[1:]
    with Scratch(out, len(listing.entries), shape) as scratch, quiet_decoders():
        records = _decode_all(listing, preprocess, scratch, progress, workers)
        _check_usable(records)
        used = {record.entry.path: record for record in records if not record.reason}
        items = [Item(path, r.entry.label, r.identity, r.entry.split) for path, r in used.items()]
        drawing = draw(items, listing.labels, fractions, seed, leaks=leaks, calibration=calibration)
        tensors = scratch.tensors()
        images = _golden(root, drawing, used, tensors, preprocess, seed)
        number = {label: index for index, label in enumerate(listing.labels)}
        for split, members in drawing.splits.items():
            rows = [used[item.path].row for item in members]
            write_split(out, split, tensors, rows, [number[item.label] for item in members])
    write_golden(out, [image.png for image in images])
    data = _description(listing, records, drawing, images)
    settings = {"preprocess": preprocess.to_json(), "seed": seed, "fractions": asdict(fractions)}
    write_description(out, {**settings, **data})


def _decode_all(
    listing: Listing,
    preprocess: Preprocess,
    scratch: Scratch,
    progress: Progress | None,
    workers: int,
) -> list[_Record]:
    """One record per entry; the tensors of those that can be used are in `scratch`."""

    def decode(numbered: tuple[int, Entry]) -> _Record:
        row, entry = numbered
        digest = ""
        try:
            data = read(listing.root / entry.path)
            digest = hashlib.sha256(data).hexdigest()
            found = pixels(data, preprocess)
        except ImageError as error:
            return _Record(entry, row, digest, reason=error.cause)
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
    tensors: NDArray[np.uint8],
    preprocess: Preprocess,
    seed: int,
) -> list[golden.Golden]:
    num_pixels = {path: record.num_pixels for path, record in used.items()}
    chosen = golden.choose(drawing.splits["train"], num_pixels, seed)
    wanted = [tensors[used[item.path].row] for item in chosen]
    return golden.make(root, chosen, wanted, preprocess)


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
