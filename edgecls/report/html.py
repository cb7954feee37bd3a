"""The page: one file that needs no network, and whose own policy forbids it any.

The template, the style and the script are package data in ``assets/``. Everything shows without
the script; it adds hints, sorting and copying.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

from edgecls.report import units
from edgecls.report.curves import curves
from edgecls.report.data import data_section
from edgecls.report.hero import hero
from edgecls.report.loading import Run
from edgecls.report.making import making, models
from edgecls.report.markup import Html, el, embedded, escape, join, prose
from edgecls.report.measuring import machine, measuring
from edgecls.report.quality import mistakes
from edgecls.report.rows import Accuracy, accuracy, title
from edgecls.report.scatter import legend, scatter
from edgecls.report.table import details_table, row_table


@dataclass(frozen=True)
class Section:
    """A part of the page with a place in its contents."""

    id: str
    title: str
    lead: str
    content: Sequence[Html]


def page(run: Run) -> str:
    """The whole HTML document."""
    style, script = _asset("report.css"), _asset("report.js")
    sections = _sections(run)
    info = run.info
    return Template(_asset("template.html")).substitute(
        policy=escape(_policy(script)),
        title=escape(f"{info.name} · edgecls report"),
        name=escape(info.name),
        version=escape(info.version),
        created=escape(units.moment(info.created)),
        style=style,
        script=script,
        nav=join(el("li", el("a", s.title, href=f"#{s.id}")) for s in sections),
        hero=join(hero(run)),
        sections=join(_section(section) for section in sections),
        rows=embedded({"rows": _hints(run)}),
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


def _sections(run: Run) -> list[Section]:
    return [
        Section(
            "plot",
            "Accuracy and latency",
            "Up is more accurate, left is faster. Whiskers are the 95 % interval and the way from"
            " p50 to p90. The choice is made on validation; test is scored once, to report.",
            _plots(run),
        ),
        Section(
            "all-rows",
            "All rows",
            "What was measured, what was not, and why each row that is not recommended lost.",
            _rows(run),
        ),
        Section("mistakes", "Mistakes", "", mistakes(run)),
        Section("training", "Training", "", curves(run)),
        Section("models", "Models", "", models(run)),
        Section("data", "Data", "", data_section(run)),
        Section("plan", "Plan and stages", "", making(run)),
        Section("protocol", "Protocol and environment", "", measuring(run)),
        Section("reproduce", "Do it again", "", _reproduce(run)),
    ]


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


def _plots(run: Run) -> list[Html]:
    """Both splits' plots, between which two radio buttons choose without a script."""
    validation, test = scatter(run, "validation"), scatter(run, "test")
    if validation is None and test is None:
        text = "No row has both a latency and an accuracy, so there is nothing to plot."
        return [el("p", text, class_="muted")]
    if validation is None or test is None:
        return [el("div", _box(validation or test), class_="plots"), legend(run)]
    return [
        el(
            "div",
            el("input", type="radio", name="split", id="on-validation", checked=True),
            el("label", "On validation", for_="on-validation"),
            el("input", type="radio", name="split", id="on-test"),
            el("label", "On test", for_="on-test"),
            _box(validation, "validation"),
            _box(test, "test"),
            class_="plots",
        ),
        legend(run),
    ]


def _box(plot: Html | None, split: str = "") -> Html:
    return el("div", plot, class_=f"plot {split}".strip())


def _rows(run: Run) -> list[Html]:
    if not run.rows:
        return [el("p", "The run has no rows.", class_="muted")]
    more = details_table(run)
    folded = el("details", el("summary", "More figures of the measured rows"), more)
    return [row_table(run), folded] if more is not None else [row_table(run)]


def _reproduce(run: Run) -> list[Html]:
    text = f"edgecls {run.info.version}, seed {run.info.seed}, {units.moment(run.info.created)}"
    return [
        el("pre", el("code", run.info.command), class_="copy"),
        el("p", text, class_="muted"),
        el("h3", "The machine"),
        machine(run),
    ]


def _hints(run: Run) -> list[dict[str, object]]:
    """What the script shows beside a point: text only."""
    return [
        {
            "title": title(row),
            "lines": [
                ("Validation", _with_interval(accuracy(row, "validation"))),
                ("Test", _with_interval(accuracy(row, "test"))),
                ("p50", units.milliseconds(row.latency_p50_ms)),
                ("p90", units.milliseconds(row.latency_p90_ms)),
                ("Size", units.size(row.size_bytes)),
            ],
            "verdict": verdict.text,
        }
        for row, verdict in zip(run.rows, run.recommendation.verdicts, strict=True)
    ]


def _with_interval(found: Accuracy | None) -> str:
    if found is None:
        return units.ABSENT
    return f"{units.percent(found.value)} ({units.interval(found.low, found.high)})"
