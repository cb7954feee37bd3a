"""HTML and SVG out of values, in which text cannot become markup.

Every string is escaped unless it is `Html`, which only this module's functions make. File names
and labels are anybody's: what cannot stand in an HTML file (control characters, lone surrogates
from names that are not UTF-8) is shown as its escape.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# A table of more rows than this scrolls inside its own box.
TALL = 30
_VOID = frozenset({"br", "col", "img", "input", "link", "meta"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_UNIT = re.compile(r"(?<=\d) (?=(?:ms|s|min|h|%|B|kB|MB|GB|k|M|G|points?|images?)\b|%)")

_INTERVAL = re.compile(r"(?<=\d)–(?=\d)")


class Html(str):
    """Markup that is safe to stand in a page as it is."""

    __slots__ = ()


Child = str | int | None
Attribute = str | float | bool | None


def visible(text: str) -> str:
    """`text` with what no HTML file can hold written as its escape."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def escape(child: Child) -> Html:
    """A text as markup; `Html` passes as it is."""
    if child is None:
        return Html()
    return child if isinstance(child, Html) else Html(html.escape(visible(str(child))))


def prose(text: str) -> Html:
    """A sentence, in which no line ends between a number and its unit, or inside an interval."""
    return escape(_INTERVAL.sub("\u2060–\u2060", _UNIT.sub("\u00a0", text)))


def el(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. ``class_`` is class, ``data_v`` is data-v; None and False leave one out."""
    opened = "".join(
        _attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{opened}>")
    return Html(f"<{name}{opened}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    return Html("".join(escape(child) for child in children))


def foreign(text: str) -> Html:
    """A name from outside, apart from the direction of the text around it."""
    return el("bdi", text)


def number_cell(text: str, value: float | None, *notes: str) -> Html:
    """A cell that is sorted by `value`, with small notes under its figure."""
    small = [el("small", note) for note in notes if note]
    finite = None if value is None or not math.isfinite(value) else float(value)
    return el("td", text, *small, class_="number", data_v="" if finite is None else repr(finite))


def table(
    head: Sequence[Html],
    body: Iterable[Html],
    caption: str,
    class_: str | None = None,
    foot: Html | None = None,
) -> Html:
    """A table in a box that scrolls by itself; a long one keeps its head in sight.

    foot: one row that stays where it is when the others are sorted.
    """
    lines = list(body)
    whole = el(
        "table",
        el("caption", caption),
        el("thead", el("tr", *head)),
        el("tbody", *lines),
        None if foot is None else el("tfoot", foot),
        class_=class_,
    )
    return scroller(whole, f"Table: {caption}", "scroll tall" if len(lines) > TALL else "scroll")


def scroller(content: Html, label: str, class_: str = "scroll") -> Html:
    """A box that scrolls by itself, which the keyboard reaches."""
    return el("div", content, class_=class_, tabindex=0, role="region", aria_label=label)


def column(text: str, sort: str | None = None, about: str | None = None) -> Html:
    """A column's head. sort: ``number`` or ``text`` where a script may sort by it.

    A column of bars or remarks has none, and its cell is no head.
    """
    if not text:
        return el("td")
    numeric = "number" if sort == "number" else None
    return el("th", text, scope="col", data_sort=sort, title=about, class_=numeric)


def embedded(value: Any) -> Html:
    """JSON that can stand inside a <script>: no ``<`` ends it, no NaN breaks its reader."""
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Html(text)


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f' {name}="{html.escape(visible(text))}"'


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
