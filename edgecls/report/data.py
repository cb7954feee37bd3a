"""The data's section: counts of every split, and every file that was left out, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecls.report.contact import contact
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, foreign, number_cell, table
from edgecls.rundir import INFO

# Each file is named; a list longer than this would make the page too heavy to open.
MAX_FILES = 5000
# The keys of an entry -> their columns.
SKIPPED = {"file": "File", "reason": "Reason"}
_DOUBLES = {"file": "File", "same_as": "Same as"}
_ORDER = ("train", "calibration", "validation", "test")
# Its images are training images, so that a sum counts them once.
_PART = "calibration"


def data_section(run: Run) -> list[Html]:
    """Source, splits, skipped files, duplicates, notes."""
    data = run.info.data
    parts = []
    if data.get("source"):
        parts.append(el("p", "Source: ", el("code", foreign(str(data["source"])))))
    parts += [el("p", note) for note in notes(data)]
    parts.append(_splits(run))
    parts += _contact(run)
    skipped, doubles = files(data, "skipped"), files(data, "duplicates")
    parts.append(named_files("Skipped files", skipped, SKIPPED, INFO))
    parts.append(named_files("Duplicates", doubles, _DOUBLES, INFO))
    return parts


def _contact(run: Run) -> list[Html]:
    """Training images as the net sees them; none where the run folder has no sheet."""
    if run.contact is None:
        return []
    about = run.info.data["pictures"]
    shown, total = len(about["labels"]), len(run.info.labels)
    of = "every class" if shown == total else f"the first {shown} of {total:,} classes"
    return [el("h3", f"Training images of {of}"), contact(run.contact, about)]


def notes(data: Mapping[str, Any]) -> list[str]:
    """The notes as a list, also where there is only one."""
    found = data.get("notes") or []
    return [found] if isinstance(found, str) else [str(note) for note in found]


def files(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [entry for entry in data.get(key) or [] if isinstance(entry, Mapping)]


def splits(data: Mapping[str, Any]) -> dict[str, Mapping[str, int]]:
    """split -> label -> count, in the order in which the splits are used."""
    found: Mapping[str, Any] = data.get("splits") or {}
    names = [name for name in _ORDER if name in found]
    names += [name for name in found if name not in _ORDER]
    return {name: found[name] for name in names if isinstance(found[name], Mapping)}


def _splits(run: Run) -> Html:
    found = splits(run.info.data)
    if not found:
        return el("p", "The run folder does not say how the images were split.", class_="muted")
    total = _count_line(
        "All classes", {name: sum(counts.values()) for name, counts in found.items()}
    )
    lines = [
        _count_line(
            foreign(label), {name: int(counts.get(label, 0)) for name, counts in found.items()}
        )
        for label in run.info.labels
    ]
    heads = (f"{name} (of train)" if name == _PART else name for name in found)
    head = [column("Class", "text"), *(column(name, "number") for name in heads)]
    head.append(column("Sum", "number"))
    return table(head, lines, "Images in every split", "sortable plain compact", foot=total)


def _count_line(name: str, counts: Mapping[str, int]) -> Html:
    whole = sum(count for split, count in counts.items() if split != _PART)
    cells = [number_cell(f"{count:,}", count) for count in [*counts.values(), whole]]
    return el("tr", el("th", name, scope="row"), *cells)


def named_files(
    name: str, entries: Sequence[Mapping[str, Any]], heads: Mapping[str, str], whole: str
) -> Html:
    """A line a file. heads: the two keys of an entry -> their columns; whole: what has them all."""
    keys = tuple(heads)
    if not entries:
        return el("p", f"{name}: none.", class_="muted")
    lines = [
        el(
            "tr",
            el("td", el("code", foreign(str(entry.get(keys[0], ""))))),
            el("td", _value(str(entry.get(keys[1], "")), code=keys[1] == "same_as")),
        )
        for entry in entries[:MAX_FILES]
    ]
    caption = f"{name}: {len(entries):,}"
    if len(entries) > MAX_FILES:
        caption += f", of which the first {MAX_FILES:,} are listed; all are in {whole}"
    columns = [column(text, "text") for text in heads.values()]
    return table(columns, lines, caption, "sortable plain compact files")


def _value(text: str, code: bool) -> Html:
    return el("code", foreign(text)) if code else foreign(text)
