"""The page around a report: its head, contents and sections, and a policy that forbids it to load.

The template, the style and the script are package data in ``assets/``. Everything shows without
the script; it adds hints, sorting, copying, and plots that can be asked.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

from edgecls.report import units
from edgecls.report.markup import Html, el, embedded, escape, join, prose

STYLES = ("report.css", "plots.css", "tables.css", "figures.css", "media.css")
# Each is a whole of its own; what they share is in the first.
SCRIPTS = ("shared.js", "report.js", "axes.js", "drawing.js", "controls.js")


@dataclass(frozen=True)
class Section:
    """A part of the page with a place in its contents."""

    id: str
    title: str
    lead: str
    content: Sequence[Html]


@dataclass(frozen=True)
class Head:
    """What the page is called. created: ISO 8601, or empty. kind: ``edgecls <kind>`` made it."""

    name: str
    version: str
    created: str = ""
    kind: str = "report"


def document(
    head: Head,
    hero: Sequence[Html],
    sections: Sequence[Section],
    hints: Sequence[Any] = (),
    plots: Sequence[Any] = (),
) -> str:
    """The whole HTML document. hints, plots: what the script knows of rows and of plots."""
    style = "\n".join(_asset(name) for name in STYLES)
    script = "\n".join(_asset(name) for name in SCRIPTS)
    return Template(_asset("template.html")).substitute(
        policy=escape(_policy(script)),
        kind=escape(head.kind),
        name=escape(head.name),
        version=escape(head.version),
        created=el("p", units.moment(head.created), class_="muted") if head.created else "",
        style=style,
        script=script,
        nav=join(el("li", el("a", s.title, href=f"#{s.id}")) for s in sections),
        hero=join(hero),
        sections=join(_section(section) for section in sections),
        rows=embedded({"rows": hints, "plots": plots}),
    )


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Nothing is loaded, and no script runs but ours, whatever a file name has in it."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline';"
        f" script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _section(section: Section) -> Html:
    head = el("h2", section.title, id=f"{section.id}-title")
    lead = el("p", prose(section.lead), class_="lead") if section.lead else None
    return el(
        "section",
        head,
        lead,
        *section.content,
        id=section.id,
        aria_labelledby=f"{section.id}-title",
    )
