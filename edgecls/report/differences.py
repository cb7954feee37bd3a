"""What differs between the runs of a comparison: machine, protocol, data, budget, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecls.report import units
from edgecls.report.data import splits
from edgecls.report.making import describe, settings
from edgecls.report.markup import Html, column, el, foreign, table
from edgecls.report.measuring import flat
from edgecls.report.rows import is_measured
from edgecls.report.sources import Source

# What rows tell, of which a file has as much as a run.
_MEASURED = ("protocol.", "environment.")
# What changes from second to second, or follows from the figures, tells runs apart by nothing.
_FLEETING = ("cpu_mhz_seen", "gpu_mhz_seen", "max_temperature_c", "max_power_mw", "load.")


def facts(source: Source) -> dict[str, Any]:
    """Everything that a reader would hold two runs against, by name."""
    found: dict[str, Any] = {}
    info = source.info
    if info is not None:
        found |= {"edgecls": info.version, "seed": info.seed, "reference": info.reference}
        found |= {"shipped": info.shipped}
        found |= flat({"budget": vars(info.budget)})
        found["data.source"] = info.data.get("source") or units.ABSENT
        found["data.classes"] = len(info.labels)
        counts = {name: sum(each.values()) for name, each in splits(info.data).items()}
        found |= flat({"data": {"images": counts}})
    rows = [row for row in source.rows if is_measured(row)]
    found |= _together("protocol", [row.protocol for row in rows])
    found |= _together("environment", [row.environment for row in rows])
    return found


def split(sources: Sequence[Source]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """What differs, with each source's value (None: not told); and what is the same in all.

    What a file of rows cannot tell, such as the data, does not differ by that.
    """
    told = [facts(source) for source in sources]
    names = dict.fromkeys(name for each in told for name in each)
    differ, same = {}, {}
    for name in names:
        values = [each.get(name) for each in told]
        known = values
        if not name.startswith(_MEASURED):
            known = [value for value in values if value is not None]
        if all(value == known[0] for value in known):
            same[name] = known[0] if known else None
        else:
            differ[name] = values
    return differ, same


def differences(sources: Sequence[Source]) -> list[Html]:
    """A line for each fact that is not the same in all, a column for each source."""
    differ, same = split(sources)
    parts = [el("p", "Nothing that was recorded differs.", class_="muted")]
    if differ:
        head = [column("Setting", "text"), *(column(source.name, "text") for source in sources)]
        lines = [
            el("tr", el("th", name, scope="row"), *(el("td", _shown(value)) for value in values))
            for name, values in differ.items()
        ]
        parts = [table(head, lines, "What differs", "sortable plain compact untitled versus")]
    if same:
        text = f"The same in all: {units.plural(len(same), 'setting')}"
        parts.append(el("details", el("summary", text), settings(same)))
    return parts


def _shown(value: Any) -> Html:
    return el("span", units.ABSENT) if value is None else foreign(describe(value))


def _together(kind: str, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Settings over all rows of one source; where rows differ, all their values."""
    found: dict[str, list[Any]] = {}
    for each in values:
        for name, value in flat(each).items():
            if not name.startswith(_FLEETING) and value not in found.setdefault(name, []):
                found[name].append(value)
    return {
        f"{kind}.{name}": seen[0] if len(seen) == 1 else sorted(seen, key=str)
        for name, seen in found.items()
    }
