"""How each int8 row was quantized, for which machine, and why so."""

from __future__ import annotations

from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, scroller

CAPTION = "The int8 scheme of each row, and why that one"
CONVERTER = "the machine that converted it"


def scheme_table(run: Run) -> Html | None:
    """One line a row that has a scheme; None where none has."""
    rows = [(i, row) for i, row in enumerate(run.rows) if row.scheme]
    if not rows:
        return None
    head = [column(name, "text") for name in ("Row", "Scheme", "Converted for", "Because")]
    lines = [
        el(
            "tr",
            el("th", run.title(i), scope="row"),
            el("td", el("code", row.scheme or "")),
            el("td", row.made_for or CONVERTER),
            el("td", row.scheme_reason),
        )
        for i, row in rows
    ]
    whole = el(
        "table",
        el("caption", CAPTION),
        el("thead", el("tr", *head)),
        el("tbody", *lines),
        class_="sortable plain compact",
    )
    return scroller(whole, CAPTION)
