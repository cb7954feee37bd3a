"""How each int8 row was quantized, for which machine, and why so."""

from __future__ import annotations

from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, scroller
from edgecls.report.rows import title

CAPTION = "The int8 scheme of each row, and why that one"
HERE = "this machine"


def scheme_table(run: Run) -> Html | None:
    """One line a row that has a scheme; None where none has."""
    rows = [row for row in run.rows if row.scheme]
    if not rows:
        return None
    head = [column(name, "text") for name in ("Row", "Scheme", "Converted for", "Because")]
    lines = [
        el(
            "tr",
            el("th", title(row), scope="row"),
            el("td", el("code", row.scheme or "")),
            el("td", row.made_for or HERE),
            el("td", row.scheme_reason),
        )
        for row in rows
    ]
    whole = el(
        "table",
        el("caption", CAPTION),
        el("thead", el("tr", *head)),
        el("tbody", *lines),
        class_="sortable plain compact",
    )
    return scroller(whole, CAPTION)
