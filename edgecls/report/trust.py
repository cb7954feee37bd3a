"""The section on trust after compression: what the accuracy alone does not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecls.compared import Compared, Comparison
from edgecls.report import units
from edgecls.report.doubts import doubts, summary
from edgecls.report.flips import class_changes, flips, stock
from edgecls.report.markup import Html, el, foreign, prose
from edgecls.report.robustness import hardness_table, how, overview, severities


def trust(
    compared: Compared | None, pictures: Mapping[str, bytes], labels: Sequence[str]
) -> list[Html]:
    """The section's content. pictures: sha256 -> PNG."""
    if compared is None or not compared.comparisons:
        text = "No compressed model was compared with its source."
        return [el("p", text, class_="muted")]
    parts = [_verdict(compared), overview(compared)]
    table = hardness_table(compared)
    if table is not None:
        parts += [table, how(compared)]
    parts += [el("p", prose(note), class_="muted") for note in compared.notes]
    parts += [_details(each, pictures, labels) for each in compared.comparisons]
    stored = stock(pictures)
    return [stored, *parts] if stored is not None else parts


def _verdict(compared: Compared) -> Html:
    warned = doubts(compared)
    if not warned:
        return el("p", prose(summary(compared)))
    items = [el("li", prose(text)) for text in warned]
    title = el("strong", "Accuracy kept, robustness lost")
    return el("div", title, el("ul", *items), class_="notice", role="note")


def _details(each: Comparison, pictures: Mapping[str, bytes], labels: Sequence[str]) -> Html:
    count = units.plural(each.flipped, "answer")
    title = el(
        "summary",
        foreign(each.model.name),
        " against ",
        foreign(each.source.name),
        f" ({each.step}): {count} flipped",
    )
    by_severity = severities(each)
    beside = [class_changes(each.classes, labels)]
    if by_severity is not None:
        beside.append(by_severity)
    return el(
        "details",
        title,
        *flips(each, pictures, labels),
        el("div", *beside, class_="beside"),
    )
