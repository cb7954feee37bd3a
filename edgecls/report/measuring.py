"""How it was measured: the protocol and the environment, said once where all rows share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.report.loading import Run
from edgecls.report.making import describe, settings
from edgecls.report.markup import Html, column, el, table
from edgecls.report.rows import SIGNIFICANCE, SINGLE_STREAM, is_measured, latency_interval, title

_SINGLE = (
    "Every row was measured in the same way: single queries, each of which starts when the last"
    " one ended."
)
_SEVERAL = (
    "A row is single stream, where each query starts when the last one ended, unless it says"
    " otherwise; rows of different scenarios are not compared."
)
_PERCENTILES = (
    " Percentiles are order statistics of all samples; none was dropped. A bound (≤)"
    " holds with 99 % confidence. Intervals of accuracies are Wilson's, at 95 %."
)
_ACCURACY = (
    "Accuracy on test is compared with the reference's image by image (McNemar's test, corrected"
    f" for the number of rows). “No difference seen” stands where p is above {SIGNIFICANCE}: it is"
    " no proof that there is none."
)
_LATENCY = (
    "Under a p50 stands where the p50 of another measurement of the same kind is expected, at 95 %."
    " Each row's latency is compared with that of the quickest row beside it round by round,"
    " corrected for the number of rows; “no difference seen” is meant as for accuracy."
)


def reading(rows: Sequence[Measurement]) -> list[str]:
    """How to read the figures of these rows."""
    kinds = {row.scenario for row in rows} - {SINGLE_STREAM}
    found = [(_SEVERAL if kinds else _SINGLE) + _PERCENTILES, _ACCURACY]
    tested = any(latency_interval(row) or row.latency_p_value is not None for row in rows)
    return [*found, *([_LATENCY] if tested else [])]


def measuring(run: Run) -> list[Html]:
    """The section's content."""
    rows = [row for row in run.rows if is_measured(row)]
    parts = [el("p", text) for text in reading(rows)]
    if not rows:
        return [*parts, el("p", "No row was measured.", class_="muted")]
    parts += _shared("Protocol", rows, [row.protocol for row in rows])
    parts += _shared("Environment", rows, [row.environment for row in rows])
    return parts


def machine(run: Run) -> Html:
    """The environment of the run itself."""
    if not run.info.environment:
        return el("p", "The run folder does not describe its machine.", class_="muted")
    return settings(flat(run.info.environment))


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested names joined by dots."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def split_shared(
    values: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is the same in all, and what is each one's own."""
    flats = [flat(value) for value in values]
    first = flats[0] if flats else {}
    same = {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in flats)
    }
    return same, [{k: v for k, v in own.items() if k not in same} for own in flats]


def _shared(
    name: str, rows: Sequence[Measurement], values: Sequence[Mapping[str, Any]]
) -> list[Html]:
    same, own = split_shared(values)
    if not same and not any(own):
        return [el("h3", name), el("p", "Not recorded.", class_="muted")]
    parts = [el("h3", f"{name} of all {units.plural(len(rows), 'measured row')}")]
    parts.append(settings(same) if same else el("p", "Nothing in common.", class_="muted"))
    if any(own):
        lines = [
            el("tr", el("th", title(row), scope="row"), el("td", describe_all(each)))
            for row, each in zip(rows, own, strict=True)
        ]
        head = [column("Row", "text"), column("Its own", "text")]
        whole = table(head, lines, f"{name}, where rows differ", "sortable plain compact")
        parts.append(el("details", el("summary", f"{name}, where rows differ"), whole))
    return parts


def describe_all(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{key}: {describe(value)}" for key, value in values.items()) or units.ABSENT
