"""The comparison in words, the same for the terminal, a pull request and JUnit."""

from __future__ import annotations

from dataclasses import dataclass

from edgecls.comparing.values import ALARM, KINDS, NEW, OLD, Change, Gate, Kind, Pair
from edgecls.report import units
from edgecls.report.rows import SIGNIFICANCE, is_measured, setback

HEAD = ("", OLD, NEW, "Difference", "95 % interval", "p", "")
# So many rows are named in a note, and the others counted.
_NAMED = 3


@dataclass(frozen=True)
class Line:
    """A figure of a row. cells: under `HEAD`; quiet: whether it was not judged."""

    cells: tuple[str, ...]
    alarm: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Block:
    """A row: its figures, or what stands in their place where there is nothing to compare."""

    name: str
    lines: tuple[Line, ...] = ()
    remark: str = ""
    alarm: bool = False


@dataclass(frozen=True)
class Alarm:
    """kind: what of the row; ``measured`` where it is gone. sentence: with the row's name."""

    kind: str
    sentence: str


def plain(text: str) -> str:
    """Text with names from outside: no line end, no sign that moves the cursor or turns it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def alarms(gate: Gate) -> list[Alarm]:
    """In the order of the rows."""
    return [alarm for pair in gate.pairs for alarm in alarms_of(gate, pair)]


def alarms_of(gate: Gate, pair: Pair) -> list[Alarm]:
    """Of one row."""
    if pair.gone:
        return [Alarm("measured", f"{pair.name}: {pair.gone}")]
    return [
        Alarm(kind, f"{pair.name}: {_told(gate, change)}")
        for kind, change in pair.changes.items()
        if change.is_alarm(gate.bounds.of(kind))
    ]


def warnings(gate: Gate) -> list[str]:
    """A sentence for each kind of which no row could be tested, with the first reason."""
    found = []
    for kind in KINDS:
        changes = [change for _, change in gate.changes(kind)]
        if changes and all(change.p_value is None for change in changes):
            rows = units.plural(len(changes), "row")
            found.append(plain(f"{kind}: none of {rows} could be tested: {changes[0].reason}"))
    return found


def _told(gate: Gate, change: Change) -> str:
    verb = "fell" if change.kind == "accuracy" else "rose"
    size = f"{_figure(change, change.old)} to {_figure(change, change.new)}"
    sure = units.p_value(change.p_value or 0.0)
    by = difference(change).lstrip("+−±")
    return (
        f"{change.kind} {verb} by {by}, from {size} ({sure}); {_bound(gate, change.kind)} allowed"
    )


def _bound(gate: Gate, kind: Kind) -> str:
    share = 100 * gate.bounds.of(kind)
    return f"{share:g} {'%' if kind == 'latency' else 'point' if share == 1 else 'points'}"


def summary(gate: Gate) -> str:
    """All of it in one sentence."""
    count, both = len(alarms(gate)), sum(bool(pair.changes) for pair in gate.pairs)
    tested = [
        f"{kind} {sum(change.p_value is not None for _, change in gate.changes(kind)):,}"
        for kind in KINDS
    ]
    said = units.plural(count, "alarm") if count else "No alarm"
    limits = " and ".join(_bound(gate, kind) for kind in KINDS)
    rows = f"of {units.plural(both, 'row')} that both have measured"
    return f"{said}, {limits} allowed; tested {rows}: {', '.join(tested)}"


def blocks(gate: Gate) -> list[Block]:
    """Of each row accuracy, latency and size."""
    found = []
    for pair in gate.pairs:
        if not pair.changes:
            found.append(Block(pair.name, remark=remark(pair), alarm=bool(pair.gone)))
            continue
        lines = [_line(gate, change) for change in pair.changes.values()]
        found.append(Block(pair.name, (*lines, _size(pair))))
    return found


def remark(pair: Pair) -> str:
    """What is to be said of a row that was not measured in both."""
    if pair.gone:
        return f"alarm: {pair.gone}"
    if pair.old is None:
        return f"in {NEW} alone"
    if pair.new is None:
        return f"in {OLD} alone, where it was not measured"
    if is_measured(pair.new):
        return f"measured in {NEW} alone"
    return plain(f"measured in neither. {setback(pair.new)}")


def _line(gate: Gate, change: Change) -> Line:
    sure = ""
    if change.p_value is not None:
        sure = units.p_value(change.p_value).removeprefix("p ").removeprefix("= ")
    cells = (change.kind, *figures(change), interval(change), sure, verdict(gate, change))
    return Line(cells, change.is_alarm(gate.bounds.of(change.kind)), change.p_value is None)


def _size(pair: Pair) -> Line:
    sizes = [row.size_bytes if row else None for row in (pair.old, pair.new)]
    change = _signed(sizes[1] / sizes[0] - 1) if sizes[0] and sizes[1] else units.ABSENT
    return Line(("size", *map(units.size, sizes), change, "", "", ""), quiet=True)


def figures(change: Change) -> tuple[str, str, str]:
    """Old, new and difference."""
    return _figure(change, change.old), _figure(change, change.new), difference(change)


def _figure(change: Change, value: float | None) -> str:
    return units.percent(value) if change.kind == "accuracy" else units.milliseconds(value)


def difference(change: Change) -> str:
    """With its sign and unit."""
    if change.value is None:
        return units.ABSENT
    if change.kind == "accuracy":
        return units.signed_points(change.value)
    return _signed(change.value)


def interval(change: Change) -> str:
    """The ends of the 95 % interval, in the difference's unit; empty where there is none."""
    if change.low is None or change.high is None:
        return ""
    digits = 2 if change.kind == "accuracy" else 1
    ends = (f"{100 * end:+.{digits}f}".replace("-", "−") for end in (change.low, change.high))
    return " to ".join(ends)


def _signed(share: float) -> str:
    text = f"{100 * share:+.1f}".replace("-", "−")
    return ("±0.0" if text[1:] == "0.0" else text) + " %"


def verdict(gate: Gate, change: Change) -> str:
    """What the test says, in a few words."""
    if change.p_value is None:
        return "not tested"
    bound = gate.bounds.of(change.kind)
    if change.is_alarm(bound):
        return "alarm"
    if change.p_value > SIGNIFICANCE:
        return "no difference seen"
    if change.is_beyond(bound):
        return f"worse, p ≥ {ALARM:g}"
    return "worse, allowed" if change.loss > 0 else "better"


def notes(gate: Gate) -> list[str]:
    """Why figures were not tested, and what else is to be known; said once where rows share it."""
    found = []
    for kind in KINDS:
        changes = list(gate.changes(kind))
        told: dict[str, list[str]] = {}
        for pair, change in changes:
            reasons = [f"not tested: {change.reason}"] if change.reason else []
            for note in dict.fromkeys([*reasons, *change.notes, *_hidden(gate, change)]):
                told.setdefault(note, []).append(pair.name)
        for note, names in told.items():
            who = "" if len(names) == len(changes) else f" of {_listed(names)}"
            found.append(plain(f"{kind}{who}: {note}"))
    return found


def _hidden(gate: Gate, change: Change) -> list[str]:
    """Whether the noise is larger than what the gate is there to see."""
    if change.kind != "latency" or change.low is None or change.high is None:
        return []
    bound = gate.bounds.of(change.kind)
    if bound == 0 or (change.high - change.low) / 2 <= bound:
        return []
    return [f"its noise hides a slow-down of {_bound(gate, change.kind)}: measure it again, longer"]


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
