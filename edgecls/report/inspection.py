"""The page of ``edgecls data inspect``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecls import __version__
from edgecls.data.contact import Sheet
from edgecls.data.copies import Duplicate
from edgecls.data.inspection import ALL, Inspection, Sizes
from edgecls.data.listing import Skipped, some
from edgecls.report.contact import contact
from edgecls.report.markup import Html, column, el, foreign, number_cell, table
from edgecls.report.page import Head, Section, document

# The rest is in the JSON: a longer list would make the page too heavy to open.
MAX_FILES = 2000

# One each for train, validation and test.
FEWEST = 3


def page(found: Inspection, sheet: Sheet) -> str:
    """The whole HTML document."""
    parts = [
        ("contact", "Contact sheet", contact(sheet.jpeg, sheet.to_json())),
        ("classes", "Images of every class", _classes(found)),
        ("kinds", "Kinds", _kinds(found)),
        ("corrupt", "Corrupt files", _files(found.corrupt)),
        ("skipped", "Left out", _files(found.skipped)),
        ("across", "Copies across splits", _pairs(found.across)),
        ("within", "Copies within a split", _pairs(found.within)),
        ("contradictions", "Same pixels, other label", _pairs(found.contradictions)),
    ]
    sections = [Section(name, title, "", [content]) for name, title, content in parts]
    head = Head(found.source, __version__, kind="data inspect")
    warned = [el("p", f"Cannot be trained on yet: {text}.") for text in obstacles(found)]
    return document(head, [el("p", summary(found), class_="lead"), *warned], sections)


def summary(found: Inspection) -> str:
    """One sentence."""
    empty = sum(not any(split[label] for split in found.counts.values()) for label in found.labels)
    end = "a class is empty" if empty == 1 else f"{empty:,} classes are empty"
    if found.imbalance is not None:
        end = f"largest to smallest class: {found.imbalance:.1f} to 1"
    return (
        f"{found.num_images:,} of {found.num_files:,} files are images that can be used, in "
        f"{len(found.labels):,} {'class' if len(found.labels) == 1 else 'classes'}; {end}."
    )


def obstacles(found: Inspection) -> list[str]:
    """Why nothing can be trained on it as it is."""
    told = []
    if len(found.labels) < 2:
        told.append("there is only one class, and a classifier needs two")
    if found.empty:
        told.append(f"no image can be used of {some(found.empty)}")
    if list(found.counts) == [ALL]:
        small = [f"{label} ({n})" for label, n in found.counts[ALL].items() if 0 < n < FEWEST]
        if small:
            told.append(
                f"too few images, fewer than one each for train, validation and test: {some(small)}"
            )
    return told


def facts(found: Inspection) -> list[tuple[str, str]]:
    """What is one figure each: name and text."""
    return [
        ("Width", _range(found.widths)),
        ("Height", _range(found.heights)),
        ("Formats", _tally(found.formats)),
        ("Modes", _tally(found.modes)),
        ("Turned by EXIF", f"{found.num_exif_rotated:,}"),
        ("Animated (first frame used)", f"{found.num_animated:,}"),
        ("Classes without an image", some(found.empty) if found.empty else "none"),
        ("Corrupt", f"{len(found.corrupt):,}"),
        ("Left out", f"{len(found.skipped):,}"),
        ("Copies within a split", f"{len(found.within):,}"),
        ("Copies across splits", f"{len(found.across):,}"),
        ("Same pixels, other label", f"{len(found.contradictions):,}"),
    ]


def _classes(found: Inspection) -> Html:
    head = [column("Class", "text"), *(column(split, "number") for split in found.counts)]
    lines = []
    for label in found.labels:
        counts = [split[label] for split in found.counts.values()]
        cells = [number_cell(f"{count:,}", count) for count in [*counts, sum(counts)]]
        lines.append(el("tr", el("th", foreign(label), scope="row"), *cells))
    return table(
        [*head, column("Sum", "number")], lines, "Images that can be used", "sortable plain compact"
    )


def _kinds(found: Inspection) -> Html:
    lines = [el("tr", el("th", name, scope="row"), el("td", text)) for name, text in facts(found)]
    return table([column("What"), column("Found")], lines, "Stored images", "plain compact")


def _files(rows: Sequence[Skipped]) -> Html:
    return _list([(row.file, row.reason) for row in rows], "Reason", code=False)


def _pairs(rows: Sequence[Duplicate]) -> Html:
    return _list([(row.file, row.same_as) for row in rows], "Same as", code=True)


def _list(rows: Sequence[tuple[str, str]], head: str, code: bool) -> Html:
    if not rows:
        return el("p", "None.", class_="muted")
    lines = []
    for file, text in rows[:MAX_FILES]:
        shown = el("code", foreign(text)) if code else foreign(text)
        lines.append(el("tr", el("td", el("code", foreign(file))), el("td", shown)))
    caption = f"{len(rows):,} files"
    if len(rows) > MAX_FILES:
        caption += f", of which the first {MAX_FILES:,} are listed"
    return table(
        [column("File", "text"), column(head, "text")],
        lines,
        caption,
        "sortable plain compact files",
    )


def _range(sizes: Sizes | None) -> str:
    if sizes is None:
        return "unknown"
    return f"{sizes.min:,} to {sizes.max:,} pixels, median {sizes.median:,}"


def _tally(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
