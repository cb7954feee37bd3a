"""What flipped between a model and its source: classes, and images with their pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from edgecls.compared import ClassChange, Comparison, Flip
from edgecls.report import units
from edgecls.report.markup import Html, column, el, foreign, number_cell, prose, table
from edgecls.report.pictures import kind, size
from edgecls.report.rows import SIGNIFICANCE

MOST_CLASSES = 20
_KINDS = {"lost": "newly wrong", "gained": "newly right", "other": "wrong in both"}


def stock(pictures: Mapping[str, bytes]) -> Html | None:
    """Every picture once, for all places of the page that show it. pictures: sha256 -> PNG."""
    if not pictures:
        return None
    images = []
    for digest, png in pictures.items():
        width, height = size(png)
        source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        look = kind(png)
        images.append(
            el("image", id=_id(digest), href=source, width=width, height=height, class_=look)
        )
    return el("svg", el("defs", *images), class_="stock", width=0, height=0, aria_hidden="true")


def flips(each: Comparison, pictures: Mapping[str, bytes], labels: Sequence[str]) -> list[Html]:
    """How many answers differ, and a figure for each of those that are shown."""
    if not each.flipped:
        return [el("p", "No answer differs.", class_="muted")]
    shown = [flip for flip in each.flips if flip.picture in pictures]
    paired = each.paired
    other = each.flipped - paired.lost - paired.gained
    text = (
        f"{units.plural(each.flipped, 'answer')} of {paired.num_images:,} differ:"
        f" {paired.lost:,} newly wrong, {paired.gained:,} newly right, {other:,} wrong in both."
    )
    if 0 < len(shown) < each.flipped:
        text += f" Shown are {len(shown)}, the surest of their new answer first."
    figures = [_figure(flip, pictures[flip.picture], labels) for flip in shown]
    return [el("p", prose(text)), el("div", *figures, class_="pictures") if figures else Html()]


def _figure(flip: Flip, png: bytes, labels: Sequence[str]) -> Html:
    true, before, after = labels[flip.true], labels[flip.before], labels[flip.after]
    width, height = size(png)
    name = f"{true}, answered {before} before and {after} after"
    picture = el(
        "svg",
        el("use", href=f"#{_id(flip.picture)}"),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=name,
    )
    sure = f"{units.percent(flip.sure_before, 0)} → {units.percent(flip.sure_after, 0)}"
    caption = el(
        "figcaption",
        el("b", foreign(before), " → ", foreign(after)),
        el("small", prose(f"{_KINDS[flip.kind]}, {sure}")),
        el("small", "is ", foreign(true)),
        el("small", foreign(flip.file)),
    )
    return el("figure", picture, caption, class_=flip.kind)


def class_changes(changes: Sequence[ClassChange], labels: Sequence[str]) -> Html:
    """The classes with other right answers, the worst first, as bars with their figures.

    One that lost as many as it gained is shown, and is not counted as a change of recall.
    """
    moved = sorted((c for c in changes if c.lost or c.gained), key=lambda c: (c.change, c.number))
    if not moved:
        return el("p", "No class is answered otherwise.", class_="muted")
    is_cut = len(moved) > MOST_CLASSES
    if is_cut:
        half = MOST_CLASSES // 2
        moved = moved[:half] + moved[-half:]
    widest = max(abs(each.change) for each in moved) or 1.0
    lines = [_class(each, labels, widest) for each in moved]
    head = [column("Class", "text"), column("Recall", "number"), column("")]
    head += [column(name, "number") for name in ("Newly wrong", "Newly right", "Test images")]
    count = sum(1 for each in changes if each.change)
    caption = f"Recall by class: {count:,} of {len(changes):,} changed"
    if is_cut:
        caption += f", the {len(moved)} that changed most"
    return table(head, lines, caption, "sortable plain compact")


def _class(each: ClassChange, labels: Sequence[str], widest: float) -> Html:
    before, after = each.before / each.images, each.before / each.images + each.change
    seen = "more than chance" if each.p_value <= SIGNIFICANCE else ""
    way = "down" if each.change < 0 else "up"
    bar = el("span", class_=f"shift {way}", style=f"--v:{abs(each.change) / widest:.3f}")
    small = f"{units.percent(before, 1)} → {units.percent(after, 1)}"
    return el(
        "tr",
        el("th", foreign(labels[each.number]), el("small", seen) if seen else None, scope="row"),
        number_cell(units.signed_points(each.change), each.change, small),
        el("td", bar),
        number_cell(f"{each.lost:,}", each.lost),
        number_cell(f"{each.gained:,}", each.gained),
        number_cell(f"{each.images:,}", each.images),
    )


def _id(digest: str) -> str:
    return f"picture-{digest[:16]}"
