"""Two runs row by row, and every test corrected for the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgecls.comparing import accuracy, latency
from edgecls.comparing.reading import Key, Side, read
from edgecls.comparing.values import KINDS, NEW, OLD, Bounds, Change, Gate, Kind, Pair
from edgecls.comparing.words import plain
from edgecls.core import Measurement
from edgecls.device.stats import holm
from edgecls.errors import EdgeclsError
from edgecls.report.rows import is_measured, setback, title

SINGLE = "single-stream"


def compare(old: Path, new: Path, bounds: Bounds | None = None) -> Gate:
    """Each a run's folder or a file of rows; rows are matched by `Key`.

    Raises EdgeclsError where one of them cannot be read, or where they have no row in common.
    """
    before, after = read(old, OLD), read(new, NEW)
    if not set(before.rows) & set(after.rows):
        raise EdgeclsError(
            f"no row is in both: OLD has {_some(before)}; NEW has {_some(after)}",
            "rows are matched by model, target, precision, device and scenario",
        )
    pairs = [_pair(before, after, key) for key in {**before.rows, **after.rows}]
    for kind in KINDS:
        pairs = _corrected(pairs, kind)
    return Gate(plain(str(old)), plain(str(new)), bounds or Bounds(), tuple(pairs))


def _some(side: Side) -> str:
    names = [_name(row, key) for key, row in side.rows.items()]
    return ", ".join(names[:3]) + (f" … ({len(names):,} in all)" if len(names) > 3 else "")


def _name(row: Measurement, key: Key) -> str:
    parts = [title(row), *([row.scenario] if row.scenario != SINGLE else [])]
    # Rows that are alike in all that they are matched by are matched in their order.
    return plain(" · ".join([*parts, *([f"no. {key[-1]}"] if key[-1] > 1 else [])]))


def _pair(old: Side, new: Side, key: Key) -> Pair:
    before, after = old.rows.get(key), new.rows.get(key)
    row = before or after
    assert row is not None
    name = _name(row, key)
    found: dict[Kind, Change] = {}
    gone = ""
    if before is not None and is_measured(before):
        if after is None:
            gone = f"measured in {OLD}, and {NEW} has no such row"
        elif not is_measured(after):
            gone = f"measured in {OLD}, and no more in {NEW}. {plain(setback(after))}"
        else:
            found["accuracy"] = accuracy.change(old, new, before, after)
            found["latency"] = latency.change(old, new, before, after)
    return Pair(name, before, after, gone, found)


def _corrected(pairs: Sequence[Pair], kind: Kind) -> list[Pair]:
    """The same with the p-values of one kind corrected for their number (Holm)."""
    tested = [pair.changes[kind].p_value for pair in pairs if kind in pair.changes]
    values = iter(holm([value for value in tested if value is not None]))
    found = []
    for pair in pairs:
        change = pair.changes.get(kind)
        if change is not None and change.p_value is not None:
            changes = {**pair.changes, kind: replace(change, p_value=next(values))}
            pair = replace(pair, changes=changes)
        found.append(pair)
    return found
