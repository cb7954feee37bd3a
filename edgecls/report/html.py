"""A run's page: one file that needs no network, and whose own policy forbids it any."""

from __future__ import annotations

from edgecls.report import units
from edgecls.report.climb import climbs
from edgecls.report.curves import curves
from edgecls.report.cuts import cuts
from edgecls.report.data import data_section
from edgecls.report.hero import hero
from edgecls.report.loading import Run
from edgecls.report.making import making, models
from edgecls.report.markup import Html, el
from edgecls.report.measuring import machine, measuring
from edgecls.report.page import Head, Section, document
from edgecls.report.quality import confidence, mistakes
from edgecls.report.rows import Accuracy, accuracy, title
from edgecls.report.scatter import legend, scatter
from edgecls.report.schemes import CAPTION, scheme_table
from edgecls.report.table import details_table, row_table
from edgecls.report.trust import trust


def page(run: Run) -> str:
    """The whole HTML document."""
    info = run.info
    head = Head(info.name, info.version, info.created)
    return document(head, hero(run), _sections(run), _hints(run))


def _sections(run: Run) -> list[Section]:
    steps = climbs(run)
    climbed = Section(
        "climb",
        "The climb of int8",
        "Remedies against what int8 costs, the cheapest first, each judged on validation.",
        steps,
    )
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
        Section("confidence", "Confidence", "", confidence(run)),
        Section(
            "trust",
            "Trust after compression",
            "What the accuracy alone does not show: which answers changed, and what is left of"
            " the accuracy on images that are noisy, blurred or made to deceive.",
            trust(run.compared, run.flips, run.info.labels),
        ),
        *([climbed] if steps else []),
        Section("training", "Training", "", curves(run)),
        Section("models", "Models", "", models(run)),
        *([Section("cuts", "Cuts", "", cut)] if (cut := cuts(run)) else []),
        Section("data", "Data", "", data_section(run)),
        Section("plan", "Plan and stages", "", making(run)),
        Section("protocol", "Protocol and environment", "", measuring(run)),
        Section("reproduce", "Do it again", "", _reproduce(run)),
    ]


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
    more, schemes = details_table(run), scheme_table(run)
    folded = [
        el("details", el("summary", name), table)
        for name, table in (("More figures of the measured rows", more), (CAPTION, schemes))
        if table is not None
    ]
    return [row_table(run), *folded]


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
