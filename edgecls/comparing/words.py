"""The comparison in words, the same for the terminal, a pull request and JUnit."""

from __future__ import annotations

from dataclasses import dataclass

from edgecls.comparing.values import ALARM, KINDS, NEW, OLD, Change, Gate, Kind, Pair
from edgecls.report import units
from edgecls.report.rows import SIGNIFICANCE, is_measured, setback

HEAD = ("Row", "", OLD, NEW, "Difference", "95 % interval", "p", "")
# So many rows are named in a note, and the others counted.
_NAMED = 3


@dataclass(frozen=True)
class Line:
    """A line of the table. cells: under `HEAD`; row: whether a new row begins; alarm, quiet: how
    it is set off.
    """

    cells: tuple[str, ...]
    row: bool = False
    alarm: bool = False
    quiet: bool = False


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


def _told(gate: Gate, change: Change) -> str:
    verb = "fell" if change.kind == "accuracy" else "rose"
    size = f"{_figure(change, change.old)} to {_figure(change, change.new)}"
    sure = units.p_value(change.p_value or 0.0)
    by = difference(change).lstrip("+−±")
    return f"{change.kind} {verb} by {by}, from {size} ({sure}); {allowed(gate, change.kind)}"


def allowed(gate: Gate, kind: Kind) -> str:
    """The bound, as a half sentence."""
    share = 100 * gate.bounds.of(kind)
    unit = "%" if kind == "latency" else "point" if share == 1 else "points"
    return f"{share:g} {unit} allowed"


def summary(gate: Gate) -> str:
    """All of it in one sentence."""
    count = len(alarms(gate))
    tested = []
    for kind in KINDS:
        found = [change for _, change in gate.changes(kind)]
        sure = sum(change.p_value is not None for change in found)
        tested.append(f"{kind} tested in {sure:,} of {units.plural(len(found), 'row')}")
    return f"{units.plural(count, 'alarm') if count else 'No alarm'}; {', '.join(tested)}"


def lines(gate: Gate) -> list[Line]:
    """Accuracy, latency and size of each row, or one line where there is nothing to compare."""
    found = []
    for pair in gate.pairs:
        before, after = pair.old, pair.new
        if before is None or after is None or not (is_measured(before) and is_measured(after)):
            cells = (pair.name, "", *[units.ABSENT] * 5, one_sided(pair))
            found.append(Line(cells, True, bool(pair.gone), not pair.gone))
            continue
        found += [_line(gate, pair, kind) for kind in KINDS]
        sizes, change = (before.size_bytes, after.size_bytes), units.ABSENT
        if sizes[0] and sizes[1]:
            change = _signed(sizes[1] / sizes[0] - 1)
        shown = (*map(units.size, sizes), change)
        found.append(Line(("", "size", *shown, "", "", ""), quiet=True))
    return found


def one_sided(pair: Pair) -> str:
    """What is to be said of a row that was not measured in both."""
    if pair.gone:
        return f"alarm: {pair.gone}"
    if pair.old is None:
        return f"in {NEW} alone"
    if pair.new is None:
        return f"in {OLD} alone, where it was not measured"
    if is_measured(pair.new):
        return f"measured in {NEW}, and not in {OLD}"
    return plain(f"measured in neither. {setback(pair.new)}")


def _line(gate: Gate, pair: Pair, kind: Kind) -> Line:
    change, first = pair.changes[kind], kind == KINDS[0]
    cells = (pair.name if first else "", kind, *figures(change), verdict(gate, change))
    alarm = change.is_alarm(gate.bounds.of(kind))
    return Line(cells, first, alarm, change.p_value is None)


def figures(change: Change) -> tuple[str, str, str, str, str]:
    """Old, new, difference, interval and p."""
    sure = ""
    if change.p_value is not None:
        sure = units.p_value(change.p_value).removeprefix("p ").removeprefix("= ")
    ends = _figure(change, change.old), _figure(change, change.new)
    return (*ends, difference(change), interval(change), sure)


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
    """The ends of the 95 % interval of the difference; empty where there is none."""
    if change.low is None or change.high is None:
        return ""
    digits, unit = (2, "points") if change.kind == "accuracy" else (1, "%")
    ends = (f"{100 * end:+.{digits}f}".replace("-", "−") for end in (change.low, change.high))
    return f"{' to '.join(ends)} {unit}"


def _signed(share: float) -> str:
    text = f"{100 * share:+.1f}".replace("-", "−")
    return ("±0.0" if text[1:] == "0.0" else text) + " %"


def verdict(gate: Gate, change: Change) -> str:
    """What the test says, in a few words."""
    if change.p_value is None:
        return "not tested"
    beyond = change.is_beyond(gate.bounds.of(change.kind))
    if change.is_alarm(gate.bounds.of(change.kind)):
        return f"alarm: {allowed(gate, change.kind)}"
    if change.p_value > SIGNIFICANCE:
        return "no difference seen"
    if beyond:
        return f"{allowed(gate, change.kind)}; no alarm, for p is not below {ALARM:g}"
    return "worse, within the bound" if change.loss > 0 else "better"


def notes(gate: Gate) -> list[str]:
    """Why figures were not tested, and what else is to be known; said once where rows share it."""
    found = []
    for kind in KINDS:
        changes = list(gate.changes(kind))
        told: dict[str, list[str]] = {}
        for pair, change in changes:
            reasons = [f"not tested: {change.reason}"] if change.reason else []
            for note in dict.fromkeys([*reasons, *change.notes]):
                told.setdefault(note, []).append(pair.name)
        for note, names in told.items():
            who = "" if len(names) == len(changes) else f" of {_listed(names)}"
            found.append(plain(f"{kind}{who}: {note}"))
    return found


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
