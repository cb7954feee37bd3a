"""The worst mistakes with their pictures, as the net saw them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence

from edgecls.report import units
from edgecls.report.loading import Picture
from edgecls.report.markup import Html, el, foreign, prose

# From this side on a picture is a photograph, which is not shown as squares.
_PHOTO = 48


def size(png: bytes) -> tuple[int, int]:
    """A PNG's width and height."""
    width, height = struct.unpack(">II", png[16:24])
    return int(width), int(height)


def kind(png: bytes) -> str | None:
    """The CSS class of a picture: none where its pixels are to be seen as squares."""
    return "photo" if max(size(png)) >= _PHOTO else None


def worst(pictures: Sequence[Picture], labels: Sequence[str]) -> list[Html]:
    """A figure for each mistake, the most confident first; nothing where there is none."""
    if not pictures:
        return []
    head = el("h3", f"The {units.plural(len(pictures), 'mistake')} it was surest of")
    about = "As the net saw them. A wrong label in the data often shows up here."
    figures = []
    for mistake, png in pictures:
        source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        true, said = labels[mistake.true], labels[mistake.said]
        caption = el(
            "figcaption",
            el("b", foreign(said)),
            prose(f" {units.percent(mistake.confidence, 1)}"),
            el("small", "is ", foreign(true)),
            el("small", foreign(mistake.file)),
        )
        picture = el("img", src=source, alt=f"{true}, taken for {said}", class_=kind(png))
        figures.append(el("figure", picture, caption))
    return [head, el("p", about, class_="muted"), el("div", *figures, class_="pictures")]
