"""What makes a row's latency doubtful, in words: a short one for a badge, and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgecls.core import Measurement
from edgecls.report.markup import Html, el, prose

# By the names in `edgecls.core.FLAGS`.
SENTENCES = {
    "throttled": "The clock was held down, by heat or by power, while it was measured.",
    "drift": "Its latency changed from the first rounds to the last.",
    "co-load": "Other processes had a part of the cores while it was measured.",
    "steal": "The host of this virtual machine took a part of the cores while it was measured.",
    "slowed": "The machine was slower in some rounds than in others, whatever it was asked: its "
    "clock changed, or a neighbour shared its cores.",
    "unsettled": "Its latency had not become stable when the measurement began.",
    "overloaded": "Queries came faster than they were answered: the queue grew as long as it was "
    "measured, and its latencies say nothing. Ask for fewer a second.",
}


def sentences(flags: Iterable[str]) -> str:
    """What the flags mean, in one text."""
    return " ".join(SENTENCES[flag] for flag in flags if flag in SENTENCES)


def badges(row: Measurement, tag: str, class_: str) -> Html | None:
    """A badge and a sentence for each flag, in an element of `tag`; None where it has none."""
    if not row.flags:
        return None
    marks = [el("span", flag, class_="badge doubt") for flag in row.flags]
    return el(tag, *marks, " ", prose(sentences(row.flags)), class_=class_)


def legend(rows: Sequence[Measurement]) -> list[str]:
    """A line for each flag that any of the rows has, in the order of the list."""
    found = {flag for row in rows for flag in row.flags}
    return [f"{flag}: {text}" for flag, text in SENTENCES.items() if flag in found]
