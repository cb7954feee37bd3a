"""One page about several runs and devices: all rows, one plot, one table, a choice for each device.

Rows of different images stand apart, in a plot and a table of their own: their accuracies say
nothing of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecls import __version__
from edgecls.errors import UsageError
from edgecls.report import units
from edgecls.report.differences import differences, split
from edgecls.report.hints import hints, plots
from edgecls.report.html import all_rows, plotted, timing
from edgecls.report.joint import Joint, join
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, foreign, number_cell, prose, table
from edgecls.report.page import Head, Section, document
from edgecls.report.rows import HOST, is_measured, is_shown
from edgecls.report.sources import Source, read
from edgecls.rundir import check_new, is_part, write_text

# Of a protocol: what drew its arrivals, and when it knew enough. Neither is another protocol.
_BY_CHANCE = ("seed", "stopped_after_launches")


def write_comparison(paths: Sequence[Path], out: Path, force: bool = False) -> Path:
    """Write one page about run folders and files of rows to `out`; returns it.

    Raises UsageError for an `out` that exists, unless `force`, or is a part of one of the sources;
    and EdgeclsError for a source that cannot be read.
    """
    check_new(out, force)
    if any(is_part(out, path) for path in paths):
        raise UsageError(f"{out} is part of one of the runs", "choose another file with --out")
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{out} is to hold a page", "name it with .html")
    write_text(out, page(read(paths)))
    return out


def page(sources: Sequence[Source]) -> str:
    """The whole HTML document."""
    joints = join(sources)
    runs = [joint.run for joint in joints]
    sections, first = list[Section](), 0
    for number, joint in enumerate(joints, 1):
        sections += _sections(joint, number, len(joints), runs, first)
        first += len(plots(joint.run))
    sections += [
        Section("differences", "What differs between the runs", "", differences(sources)),
        Section("runs", "The runs", "", [_runs(sources)]),
    ]
    head = Head(_names(sources), __version__, kind="comparison")
    rows = [hint for run in runs for hint in hints(run)]
    return document(
        head,
        _hero(joints, sources),
        sections,
        rows,
        [plot for run in runs for plot in plots(run)],
    )


def _names(sources: Sequence[Source]) -> str:
    names = [source.name for source in sources]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _hero(joints: Sequence[Joint], sources: Sequence[Source]) -> list[Html]:
    parts = []
    for joint in joints:
        found, run = joint.run.recommendation, joint.run
        names = ", ".join(source.name for source in joint.sources)
        about = el("span", f": {names}", class_="names") if len(joints) > 1 else None
        words = [el("p", "Recommendation", about, class_="eyebrow"), el("h2", found.headline)]
        if found.index is not None:
            place = _place(run.rows[found.index].device)
            text = f"From {run.origins[found.index]}, measured on {place}."
            words.append(el("p", prose(text), class_="evidence"))
        words += [
            el("p", prose(text), class_=kind)
            for text, kind in ((found.evidence, "evidence"), (found.reason, "reason"))
            if text
        ]
        words += [el("p", prose(text), class_="evidence") for text in _elsewhere(joint)]
        parts.append(el("div", *words, class_="hero" if found.row is not None else "hero none"))
    told = warnings(joints, sources)
    if told:
        title = el("strong", "Before you compare")
        items = [el("li", prose(text)) for text in told]
        parts.append(el("div", title, el("ul", *items), class_="notice", role="note"))
    return parts


def _place(device: str) -> str:
    return "the machine of the runs" if device == HOST else device


def _elsewhere(joint: Joint) -> list[str]:
    """What to ship to each further device, and the devices for which nothing qualifies."""
    run, found = joint.run, joint.run.recommendation
    told = []
    for i in found.others:
        p50 = units.milliseconds(run.rows[i].latency_p50_ms)
        name = f"{run.rows[i].name} from {run.origins[i]}"
        told.append(f"On {_place(run.rows[i].device)}: {name}, {p50} (p50).")
    served = {run.rows[i].device for i in found.chosen}
    others = dict.fromkeys(row.device for row in run.rows if is_shown(row))
    rest = [_place(device) for device in others if device not in served]
    if rest and served:
        told.append(f"No row keeps the budget on {', '.join(rest)}.")
    return told


def warnings(joints: Sequence[Joint], sources: Sequence[Source]) -> list[str]:
    """What a reader has to know before two figures are held against each other."""
    told = []
    if len(joints) > 1:
        groups = "; ".join(", ".join(source.name for source in joint.sources) for joint in joints)
        told.append(
            f"The runs are about {len(joints)} different sets of images ({groups}): their"
            " accuracies are not compared, and each has its own plot, table and recommendation."
        )
    if len(sources) > 1:
        told.append(
            "Rows of different runs were not measured side by side: a few percent between them"
            " may be the day, not the model."
        )
    files = [
        source.name
        for source in sources
        if source.info is None and any(row.top1 is not None for row in source.rows)
    ]
    if files:
        told.append(
            f"The accuracies of {', '.join(files)} are of the images that edgecls bench was given:"
            " whether the models were trained on them was not asked."
        )
    for joint in joints:
        budgets = {source.info.budget for source in joint.sources if source.info is not None}
        if len(budgets) > 1:
            first = next(source.name for source in joint.sources if source.info is not None)
            told.append(f"The runs have different budgets: all rows are judged by that of {first}.")
    differ, _ = split(sources)
    named = (name.removeprefix("protocol.") for name in differ if name.startswith("protocol."))
    protocol = [name for name in named if name not in _BY_CHANCE]
    if protocol:
        told.append(f"They were measured by different protocols ({', '.join(protocol)}).")
    machines = [name for name in ("cpu", "cores", "governor") if f"environment.{name}" in differ]
    if machines:
        text = "They were measured on different machines, or on one that was set otherwise"
        own = " Each machine has a choice of its own." if machines != ["governor"] else ""
        told.append(f"{text} ({', '.join(machines)}).{own}")
    return told


def _sections(
    joint: Joint, number: int, count: int, runs: Sequence[Run], first: int
) -> list[Section]:
    end = f"-{number}" if number > 1 else ""
    names = ", ".join(source.name for source in joint.sources)
    about = f": {names}" if count > 1 else ""
    return [
        Section(
            f"plot{end}",
            f"Accuracy and latency{about}",
            "Up is more accurate, left is faster; each colour is a run. Whiskers are the 95 %"
            " interval and the way from p50 to p90. A bundle that was measured without images has"
            " the accuracy that it has in its run.",
            plotted(joint.run, runs, first),
        ),
        Section(
            f"all-rows{end}",
            f"All rows{about}",
            "Every row of every run, and why each that is not recommended lost.",
            all_rows(joint.run, f"rows{end}"),
        ),
        *timing(joint.run, end),
    ]


def _runs(sources: Sequence[Source]) -> Html:
    head = [column(name, "text") for name in ("Run", "Made", "Images", "Devices")]
    head += [column("Rows", "number"), column("Measured", "number"), column("Command")]
    lines = []
    for source in sources:
        info = source.info
        made = units.moment(info.created) if info is not None else "rows of edgecls bench"
        images = str(info.data.get("source") or units.ABSENT) if info is not None else units.ABSENT
        devices = dict.fromkeys(_place(row.device) for row in source.rows)
        count = sum(is_measured(row) for row in source.rows)
        lines.append(
            el(
                "tr",
                el("th", foreign(source.name), scope="row"),
                el("td", made),
                el("td", foreign(images)),
                el("td", foreign(", ".join(devices))),
                number_cell(f"{len(source.rows):,}", len(source.rows)),
                number_cell(f"{count:,}", count),
                el("td", el("code", info.command if info is not None else "")),
            )
        )
    return table(head, lines, "The runs", "sortable plain untitled runs")
