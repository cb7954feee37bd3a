"""On which images a model is scored: those that it was neither trained nor chosen on.

A checkpoint knows its images by their hashes, so what it has seen is left out one by one. A bundle
knows only the content of the whole folder: where that is the same, the test split is drawn again
with the same seed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecls import data as datas
from edgecls.core import Classes, Images, Progress
from edgecls.data.images import pixels, quiet_decoders, read
from edgecls.data.listing import SPLITS, printable, some
from edgecls.data.pool import mapped
from edgecls.device.preprocess import ImageError, Preprocess
from edgecls.errors import DataError, UsageError
from edgecls.models.checkpoint import marks
from edgecls.pipeline.subject import Model, as_trained
from edgecls.pipeline.workshop import Workshop, inputs_of
from edgecls.rundir import write_text
from edgecls.store import Entry

ALL = "all"
CHOICES = (*SPLITS, ALL)


@dataclass(frozen=True)
class Folder:
    """A folder of images and the name of its content. images: what `datas.prepare` reads."""

    images: Path
    listing: datas.Listing
    fingerprint: str


def look(workshop: Workshop) -> Folder:
    """The recipe's folder of images."""
    images, listing = workshop.listed()
    return Folder(images, listing, workshop.fingerprint(listing))


@dataclass(frozen=True)
class Holdout:
    """Images to score. classes: numbers of the model's labels. files: as they are shown.

    warnings: why the figures may be too good. notes: what was left out.
    """

    split: str
    images: Images
    classes: Classes
    files: tuple[str, ...]
    skipped: tuple[dict[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def keep(self, chosen: NDArray[np.bool_]) -> Holdout:
        """Those images alone."""
        rows = np.flatnonzero(chosen)
        if len(rows) == len(self.files):
            return self
        files = tuple(self.files[row] for row in rows)
        return replace(self, images=self.images[rows], classes=self.classes[rows], files=files)


def choose(workshop: Workshop, model: Model, folder: Folder, split: str | None) -> Holdout:
    """The images of `split`; by default the given test split, else all that it has not seen.

    Raises UsageError for classes that the model does not know.
    """
    given = folder.listing.given_splits
    notes = _check_labels(model, folder.listing)
    if split is None and not given:
        return _unseen(workshop, model, folder, notes)
    found = named_split(workshop, model, folder, split or "test")
    found = replace(found, notes=(*notes, *found.notes))
    times = int(np.isin(marks(found.images), model.seen).sum())
    if not times:
        return found
    return _warned(found, f"it was trained or chosen on {times} of these {len(found.files)} images")


def named_split(workshop: Workshop, model: Model, folder: Folder, split: str) -> Holdout:
    """One split, given by the folders or drawn with the seed of the model's training."""
    if split == ALL or split in folder.listing.given_splits:
        return _decoded(workshop, model, folder, split)
    return _drawn(workshop, model, folder, split)


def _unseen(workshop: Workshop, model: Model, folder: Folder, notes: tuple[str, ...]) -> Holdout:
    """All images but those that the model has seen."""
    if not len(model.seen) and model.provenance.get("data") == folder.fingerprint:
        section = workshop.recipe.data
        found = _drawn(workshop, model, folder, "test")
        text = (
            "the model was trained on images of this very folder, and does not know on which: its "
            f"test split is drawn again, as if data.validation = {section.validation:g} and "
            f"data.test = {section.test:g} had been its shares"
        )
        return _warned(replace(found, notes=notes), text)
    found = _decoded(workshop, model, folder, ALL)
    found = replace(found, notes=(*notes, *found.notes))
    seen = np.isin(marks(found.images), model.seen)
    if seen.all():
        return _warned(found, "every image was trained on: the figures say nothing of new ones")
    if not seen.any():
        return found
    text = f"{int(seen.sum())} of {len(seen)} images left out: the model was trained or chosen on"
    kept = found.keep(~seen)
    return replace(kept, split="not seen in training", notes=(*kept.notes, f"{text} them"))


def _warned(found: Holdout, text: str) -> Holdout:
    return replace(found, warnings=(*found.warnings, text))


def _check_labels(model: Model, listing: datas.Listing) -> tuple[str, ...]:
    """Raises UsageError for classes that the model does not know; notes those without images."""
    unknown = [label for label in listing.labels if label not in model.labels]
    if unknown:
        raise UsageError(
            f"the model does not know these classes of the images: {some(unknown)}",
            f"rename or remove their folders; it knows {some(model.labels, 12)}",
        )
    missing = [label for label in model.labels if label not in listing.labels]
    return (f"no images of these classes of the model: {some(missing)}",) if missing else ()


def _numbers(model: Model, labels: Sequence[str]) -> NDArray[np.int64]:
    return np.array([model.labels.index(label) for label in labels], np.int64)


def _drawn(workshop: Workshop, model: Model, folder: Folder, split: str) -> Holdout:
    recipe = as_trained(workshop.recipe, model.provenance)
    drawing = Workshop(workshop.store, recipe, workshop.events)
    entry = drawing.data(folder.images, folder.fingerprint, model.preprocess)
    dataset, about = datas.load(entry.out, folder.listing.root), datas.describe(entry.out)
    images, classes = dataset[split]
    files = tuple(row["path"] for row in about["splits"][split])
    skipped = tuple(about["skipped"])
    return Holdout(split, images, _numbers(model, dataset.labels)[classes], files, skipped)


def _decoded(workshop: Workshop, model: Model, folder: Folder, split: str) -> Holdout:
    """The files of a split as they are; those with the same tensor and class count once."""
    entry = _pictures(workshop, folder, model.preprocess, split)
    images: Images = np.load(entry.out / "images.npy", mmap_mode="r", allow_pickle=False)
    told = json.loads((entry.out / "files.json").read_text(encoding="utf-8"))
    files, labels = tuple(told["files"]), told["labels"]
    if not files:
        first = next((f": {row['file']}: {row['reason']}" for row in told["skipped"]), "")
        raise DataError(
            f"none of the images can be used{first}",
            "give images that Pillow can open",
        )
    found = Holdout(split, images, _numbers(model, labels), files, tuple(told["skipped"]))
    return _one_of_each(found)


def _one_of_each(found: Holdout) -> Holdout:
    """Without copies, and without images that stand in two classes, as in training."""
    _, first, group = np.unique(marks(found.images), return_index=True, return_inverse=True)
    contradicts = np.zeros(len(first), np.bool_)
    contradicts[group[found.classes != found.classes[first][group]]] = True
    kept = np.zeros(len(found.files), np.bool_)
    kept[first[~contradicts]] = True
    notes = []
    lost = int(contradicts[group].sum())
    if lost:
        notes.append(f"{lost} images left out: they stand in several classes")
    if len(first) < len(group) and (copies := int((~kept).sum()) - lost):
        notes.append(f"{copies} images left out as copies of others")
    return replace(found.keep(kept), notes=tuple(notes))


def _pictures(workshop: Workshop, folder: Folder, preprocess: Preprocess, split: str) -> Entry:
    """The decoded images of a split (``images.npy``), and which they are (``files.json``)."""
    listing = folder.listing
    inputs = inputs_of(
        "pictures",
        packages=("numpy", "pillow"),
        fingerprint=folder.fingerprint,
        preprocess=preprocess.to_json(),
        split=split,
    )

    def build(out: Path, work: Path, progress: Progress) -> None:
        entries = [each for each in listing.entries if split in (ALL, each.split)]
        usable: list[datas.Entry] = []
        skipped: list[dict[str, str]] = []

        def decode(entry: datas.Entry) -> Images | str:
            try:
                return pixels(read(listing.root / entry.path), preprocess).tensor
            except ImageError as error:
                return error.cause

        shape = (len(entries), *preprocess.input_shape[1:])
        array = np.lib.format.open_memmap(work / "images.npy", "w+", np.uint8, shape)
        with quiet_decoders():
            for entry, decoded in zip(entries, mapped(decode, entries), strict=True):
                progress.step(len(usable) + len(skipped) + 1, len(entries), "decoding")
                if isinstance(decoded, str):
                    skipped.append({"file": printable(entry.path), "reason": decoded})
                    continue
                array[len(usable)] = decoded
                usable.append(entry)
        np.save(out / "images.npy", array[: len(usable)], allow_pickle=False)
        told = {
            "files": [printable(entry.path) for entry in usable],
            "labels": [entry.label for entry in usable],
            "skipped": skipped + [{"file": s.file, "reason": s.reason} for s in listing.skipped],
        }
        write_text(out / "files.json", json.dumps(told))

    return workshop.make("reading the images", inputs, build)
