"""report.md: the short form, for a repository or a ticket."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edgecls.core import Measurement
from edgecls.report import flags, phases, scenarios, units
from edgecls.report.climb import STEPS, cells, cost
from edgecls.report.costs import about as describe_costs
from edgecls.report.data import files, notes, splits
from edgecls.report.doubts import summary
from edgecls.report.loading import Run
from edgecls.report.making import describe
from edgecls.report.markup import visible
from edgecls.report.measuring import flat
from edgecls.report.rows import (
    HOST,
    accuracy,
    as_quick,
    comparable,
    is_measured,
    is_shown,
    latency_interval,
    title,
    was_throttled,
)
from edgecls.report.runners import runners
from edgecls.report.table import order

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
_HEAD = ("Model", "Target", "Precision", "Validation", "Test", "p50", "p90", "Size", "Verdict")

_TRUST = ("Model", "Against", "Accuracy", "Paired test", "Newly wrong", "Newly right", "Corrupted")


def document(run: Run) -> str:
    """The whole Markdown document."""
    info = run.info
    parts = [
        f"# {text(info.name)}",
        text(run.recommendation.sentence),
        *(f"> {text(problem)}" for problem in run.problems),
        *_runners(run),
        "## Rows",
        _rows(run),
        *_flags(run),
        *_phases(run),
        *_scenarios(run),
        *_operators(run),
        *_trust(run),
        *_climbs(run),
        "## Data",
        *(text(note) for note in notes(info.data)),
        _splits(run),
        "### Skipped files",
        _skipped(run),
        "## Environment",
        _list(f"{text(key)}: {text(describe(v))}" for key, v in flat(info.environment).items()),
        "## Do it again",
        _fenced(info.command),
        text(f"edgecls {info.version}, seed {info.seed}, {info.created}"),
    ]
    return "\n\n".join(parts) + "\n"


def text(raw: str) -> str:
    """Anybody's text on one line, in which nothing is markup."""
    flat_text = " ".join(visible(raw).split())
    escaped = _SPECIAL.sub(r"\\\1", flat_text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _rows(run: Run) -> str:
    if not run.rows:
        return "None."
    return _table(_HEAD, [_row(run, i) for i in order(run)])


def _row(run: Run, i: int) -> list[str]:
    row, verdict = run.rows[i], run.recommendation.verdicts[i].text
    fix = f" Fix: {row.fix}" if row.fix and not is_measured(row) else ""
    target = row.target if row.device == HOST else f"{row.target} on {row.device}"
    timed = is_shown(row) and i in comparable(run.rows)
    cells = [row.model, target, f"{row.precision} {row.scheme or ''}".strip()]
    for found in (accuracy(row, "validation"), accuracy(row, "test")):
        between = "" if found is None else f" ({units.interval(found.low, found.high)})"
        cells.append(units.percent(found.value if found else None) + between)
    cells.append(_p50(row) if timed else units.ABSENT)
    cells.append(units.milliseconds(row.latency_p90_ms if timed else None))
    cells += [units.size(row.size_bytes), verdict + fix]
    marked = [text(cell) for cell in cells]
    return [f"**{cell}**" for cell in marked[:3]] + marked[3:] if row.recommended else marked


def _p50(row: Measurement) -> str:
    """The median with its interval, and what makes it doubtful."""
    doubts = (["throttled"] if was_throttled(row) else []) + list(row.flags)
    doubts += ["no difference from the quickest seen"] if as_quick(row) else []
    parts = [units.milliseconds(row.latency_p50_ms), latency_interval(row), ", ".join(doubts)]
    return parts[0] + "".join(f" ({part})" for part in parts[1:] if part)


def _runners(run: Run) -> list[str]:
    found = runners(run)
    if not found:
        return []
    verdicts = run.recommendation.verdicts
    return ["## Runners-up", _list(text(f"{run.title(i)}: {verdicts[i].text}") for i in found)]


def _flags(run: Run) -> list[str]:
    found = flags.legend(run.rows)
    return [_list(text(line) for line in found)] if found else []


def _phases(run: Run) -> list[str]:
    """Of the rows whose phases were measured apart."""
    found = set(phases.shown(run.rows))
    if not found:
        return []
    head = ("Row", *phases.NAMES, "End to end")
    lines = []
    for i in (i for i in order(run) if i in found):
        row = run.rows[i]
        times = [*phases.parts(row), row.end_to_end_p50_ms]
        cells = [run.title(i), *(units.milliseconds(value) for value in times)]
        lines.append([text(cell) for cell in cells])
    return ["## From the image to the answer", _table(head, lines)]


def _scenarios(run: Run) -> list[str]:
    lines = [
        [
            run.title(i),
            scenarios.about(run.rows[i]),
            *(told for told, _ in scenarios.cells(run.rows[i])),
        ]
        for i in scenarios.others(run.rows)
    ]
    if not lines:
        return []
    marked = [[text(cell) for cell in line] for line in lines]
    return ["## Other scenarios", _table(scenarios.HEAD, marked)]


def _operators(run: Run) -> list[str]:
    """What the recommended row spends its time on, by the type of operator."""
    found, row = run.operators, run.recommendation.row
    if found is None or row is None or not found.total_ms:
        return []
    lines = [
        [name, f"{count:,}", units.milliseconds(ms), units.percent(ms / found.total_ms, 1)]
        for name, count, ms in found.by_type()
    ]
    marked = [[text(cell) for cell in line] for line in lines]
    about = text(f"{title(row)}: {describe_costs(found, row.latency_p50_ms)}")
    return ["## Where the time goes", about, _table(("Type", "Count", "Time", "Share"), marked)]


def _trust(run: Run) -> list[str]:
    """Each compressed model against its source, where they were compared."""
    compared = run.compared
    if compared is None or not compared.comparisons:
        return []
    lines = []
    for each in compared.comparisons:
        found = [each.source.hardness, each.model.hardness]
        means = [units.percent(side.mean_corrupted if side else None, 1) for side in found]
        cells = [each.model.name, each.source.name, units.signed_points(each.paired.difference)]
        cells += [units.p_value(each.paired.p_value), f"{each.paired.lost:,}"]
        cells += [f"{each.paired.gained:,}", " → ".join(means)]
        lines.append([text(cell) for cell in cells])
    return ["## Trust after compression", text(summary(compared)), _table(_TRUST, lines)]


def _climbs(run: Run) -> list[str]:
    """How each int8 model that was to keep a bound came to it."""
    parts = ["## The climb of int8"] if run.climbs else []
    for name, climb in run.climbs.items():
        steps = [[step.name, *cells(climb, i)] for i, step in enumerate(climb.steps)]
        lines = [[text(cell) for cell in line] for line in steps]
        parts += [f"### {text(name)}", text(climb.verdict + "."), _table(STEPS, lines)]
        parts.append(text(cost(climb)))
    return parts


def _splits(run: Run) -> str:
    found = splits(run.info.data)
    if not found:
        return "The run folder does not say how the images were split."
    counts = [f"{sum(each.values()):,}" for each in found.values()]
    return _table([text(name) for name in found], [counts])


def _skipped(run: Run) -> str:
    entries = files(run.info.data, "skipped")
    return _list(
        f"{text(str(entry.get('file', '')))}: {text(str(entry.get('reason', '')))}"
        for entry in entries
    )


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items) or "None."


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _fenced(command: str) -> str:
    """A code block whose fence is longer than any inside."""
    runs = re.findall("`+", command)
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in runs), default=0))
    return f"{fence}sh\n{visible(command)}\n{fence}"
