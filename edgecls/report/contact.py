"""A contact sheet in a page: one picture as a data: URI, the classes' names beside its rows."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from edgecls.report.markup import Html, el

# In units of the drawing: one letter of a plain alphabet, one of a wide one, the widest margin.
_LETTER, _WIDE_LETTER, _MARGIN, _LETTERS = 7.5, 13, 190, 24


def contact(jpeg: bytes, about: Mapping[str, Any]) -> Html:
    """The figure. about: ``labels`` of the rows, ``columns`` and ``pitch`` in pixels."""
    labels = [str(label) for label in about["labels"]]
    pitch, columns = int(about["pitch"]), int(about["columns"])
    width, height = columns * pitch, len(labels) * pitch
    uri = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    shown = [_short(label) for label in labels]
    margin = min(_MARGIN, 12 + max((_width(name) for name in shown), default=0))
    names = [
        el("text", name, x=0, y=(row + 0.5) * pitch, dominant_baseline="middle")
        for row, name in enumerate(shown)
    ]
    picture = el("image", href=uri, x=margin, y=0, width=width, height=height)
    drawing = el(
        "svg",
        *names,
        picture,
        viewBox=f"0 0 {margin + width} {height}",
        style=f"max-width:{margin + width}px;width:100%;height:auto",
        role="img",
        aria_label=f"Images of the classes, from the top: {', '.join(labels)}",
    )
    return el("figure", drawing, class_="contact")


def _width(name: str) -> int:
    return round(sum(_LETTER if letter.isascii() else _WIDE_LETTER for letter in name))


def _short(label: str) -> str:
    return label if len(label) <= _LETTERS else label[: _LETTERS - 1] + "…"
