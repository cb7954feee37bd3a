"""A run's page: one file that needs no network, and whose own policy forbids it any."""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.report import units
from edgecls.report.climb import climbs
from edgecls.report.controls import controls
from edgecls.report.costs import costs
from edgecls.report.curves import curves
from edgecls.report.cuts import cuts
from edgecls.report.data import data_section
from edgecls.report.hero import hero
from edgecls.report.hints import SPLITS, hints, plots
from edgecls.report.loading import Run
from edgecls.report.making import making, models
from edgecls.report.markup import Html, el
from edgecls.report.measuring import machine, measuring
from edgecls.report.otherwise import LEAD as SCENARIOS
from edgecls.report.otherwise import scenario_table
from edgecls.report.page import Head, Section, document
from edgecls.report.phases import LEAD as PHASES
from edgecls.report.phases import legend as phase_legend
from edgecls.report.phases import phase_table
from edgecls.report.quality import confidence, mistakes
from edgecls.report.runners import cards
from edgecls.report.scatter import legend, scatter
from edgecls.report.schemes import CAPTION, scheme_table
from edgecls.report.table import details_table, left_out, order, row_table
from edgecls.report.trust import trust

RUNNERS = "What would be shipped next, against the recommended row, and why it lost."
COSTS = "The recommended row, operator by operator, as its runtime executes it."


def page(run: Run) -> str:
    """The whole HTML document."""
    info = run.info
    head = Head(info.name, info.version, info.created)
    return document(head, hero(run), _sections(run), hints(run), plots(run))


def _sections(run: Run) -> list[Section]:
    steps = climbs(run)
    climbed = Section(
        "climb",
        "The climb of int8",
        "Remedies against what int8 costs, the cheapest first, each judged on validation.",
        steps,
    )
    cost = costs(run)
    return [
        *([Section("runners", "Runners-up", RUNNERS, next_)] if (next_ := cards(run)) else []),
        Section(
            "plot",
            "Accuracy and latency",
            "Up is more accurate, left is faster. Whiskers are the 95 % interval and the way from"
            " p50 to p90. The choice is made on validation; test is scored once, to report.",
            plotted(run, [run]),
        ),
        Section(
            "all-rows",
            "All rows",
            "What was measured, what was not, and why each row that is not recommended lost.",
            all_rows(run),
        ),
        *timing(run),
        *([Section("operators", "Where the time goes", COSTS, cost)] if cost else []),
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


def plotted(run: Run, runs: Sequence[Run], first: int = 0) -> list[Html]:
    """Both splits' plots, between which two radio buttons choose without a script.

    runs: all of the page, for the controls, which stand above the first. first: its plots' number.
    """
    found = [scatter(run, "validation", first)]
    found.append(scatter(run, "test", first + (found[0] is not None)))
    drawn = [(split, plot) for split, plot in zip(SPLITS, found, strict=True) if plot is not None]
    if not drawn:
        text = "No row has both a latency and an accuracy, so there is nothing to plot."
        return [el("p", text, class_="muted")]
    leader = next(each for each in runs if plots(each))
    above = [controls(runs)] if run is leader else []
    if len(drawn) == 1:
        return [*above, el("div", _box(drawn[0][1]), class_="plots"), legend(run)]
    group, end = f"split-{first}" if first else "split", f"-{first}" if first else ""
    choice = []
    for split, _ in drawn:
        name = f"on-{split}{end}"
        checked = split == "validation"
        choice.append(el("input", type="radio", name=group, id=name, class_=split, checked=checked))
        choice.append(el("label", f"On {split}", for_=name))
    boxes = [_box(plot, split) for split, plot in drawn]
    return [*above, el("div", *choice, *boxes, class_="plots"), legend(run)]


def _box(plot: Html, split: str = "") -> Html:
    return el("div", plot, class_=f"plot {split}".strip())


def all_rows(run: Run, name: str = "rows") -> list[Html]:
    """The table of every row, and folded what it has no room for. name: the table's id."""
    if not run.rows:
        return [el("p", "The run has no rows.", class_="muted")]
    more, schemes = details_table(run), scheme_table(run)
    folded = [
        el("details", el("summary", name), table)
        for name, table in (("More figures of the measured rows", more), (CAPTION, schemes))
        if table is not None
    ]
    return [left_out(run), row_table(run, name), *folded]


def timing(run: Run, end: str = "") -> list[Section]:
    """The phases of a query and the other scenarios, where they were measured. end: of the ids."""
    phases, others = phase_table(run, order(run)), scenario_table(run)
    found = []
    if phases is not None:
        content = [phase_legend(), phases]
        found.append(Section(f"phases{end}", "From the image to the answer", PHASES, content))
    if others is not None:
        found.append(Section(f"scenarios{end}", "Other scenarios", SCENARIOS, [others]))
    return found


def _reproduce(run: Run) -> list[Html]:
    text = f"edgecls {run.info.version}, seed {run.info.seed}, {units.moment(run.info.created)}"
    return [
        el("pre", el("code", run.info.command), class_="copy"),
        el("p", text, class_="muted"),
        el("h3", "The machine"),
        machine(run),
    ]
