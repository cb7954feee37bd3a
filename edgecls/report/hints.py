"""What the page's script knows: a hint for each row, and what the plots are drawn from.

Texts and numbers alone; the script makes no markup of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecls.report import flags, units
from edgecls.report.loading import Run
from edgecls.report.palette import colour
from edgecls.report.points import floor_of, plot_of
from edgecls.report.recommend import HOST_ONLY
from edgecls.report.rows import (
    Accuracy,
    Split,
    accuracy,
    as_quick,
    comparable,
    is_shown,
    latency_interval,
    memory_of,
)
from edgecls.report.svg import shape

SPLITS: tuple[Split, ...] = ("validation", "test")


def hints(run: Run) -> list[dict[str, Any]]:
    """What is shown beside each row's point, what it is filtered by, and its figures."""
    alike = comparable(run.rows)
    return [
        {
            "title": run.title(i),
            "lines": _lines(run, i),
            "verdict": " ".join(filter(None, (verdict.text, flags.sentences(run.rows[i].flags)))),
            "filters": filters(run, i),
            "point": _point(run, i) if i in alike and is_shown(run.rows[i]) else None,
        }
        for i, verdict in enumerate(run.recommendation.verdicts)
    ]


def plots(run: Run) -> list[dict[str, Any]]:
    """What each split's plot shows beside its points; none for a split without a plot."""
    budget = run.info.budget
    limits = {"p50": budget.max_latency_ms, "p90": budget.max_latency_ms}
    found = []
    for split in SPLITS:
        plot = plot_of(run, split)
        if plot is not None:
            found.append(
                {
                    "split": split,
                    "rows": [run.first + i for i in range(len(run.rows))],
                    "floor": floor_of(run) if split == "validation" else None,
                    "drop": budget.max_drop,
                    "limits": {**limits, "size": budget.max_size_bytes},
                    "devices": plot.devices,
                    "every": plot.every,
                }
            )
    return found


def filters(run: Run, i: int) -> dict[str, str]:
    """The values of a row by which it can be left out."""
    row = run.rows[i]
    own = {"run": run.origins[i]} if run.origins else {}
    return {**own, "target": row.target, "precision": row.precision, "device": row.device}


def _lines(run: Run, i: int) -> list[tuple[str, str]]:
    row = run.rows[i]
    times = (row.latency_p50_ms, row.latency_p90_ms) if is_shown(row) else (None, None)
    found = [
        ("Validation", _with_interval(accuracy(row, "validation"))),
        ("Test", _with_interval(accuracy(row, "test"))),
        ("p50", units.milliseconds(times[0])),
    ]
    if is_shown(row) and (told := latency_interval(row)):
        found.append(("95 % interval", f"{told} ms"))
    if as_quick(row):
        found.append(("Quickest row", "no difference seen"))
    found += [("p90", units.milliseconds(times[1]))]
    if row.memory_bytes is not None:
        found.append(("Memory", units.size(row.memory_bytes)))
    if row.energy_mj is not None:
        found.append(("Energy", f"{units.millijoules(row.energy_mj)} a query"))
    return [*found, ("Size", units.size(row.size_bytes))]


def _point(run: Run, i: int) -> dict[str, Any]:
    """x: values of the axes; a split: accuracy with both ends of its interval."""
    row = run.rows[i]
    return {
        "name": row.model,
        "colour": colour(run, i),
        "shape": shape(row.precision),
        "chosen": i in run.recommendation.chosen,
        "ships": row.target not in HOST_ONLY,
        "x": axes(run, i),
        **{split: _ends(accuracy(row, split)) for split in SPLITS},
    }


def axes(run: Run, i: int) -> Mapping[str, float | None]:
    """The figures that a plot may have across."""
    row = run.rows[i]
    return {
        "p50": row.latency_p50_ms,
        "p90": row.latency_p90_ms,
        "end_to_end": row.end_to_end_p50_ms,
        "size": row.size_bytes,
        "memory": memory_of(row, run.rows),
        "energy": row.energy_mj,
    }


def _ends(found: Accuracy | None) -> tuple[float, float, float] | None:
    return None if found is None else (found.value, found.low, found.high)


def _with_interval(found: Accuracy | None) -> str:
    if found is None:
        return units.ABSENT
    return f"{units.percent(found.value)} ({units.interval(found.low, found.high)})"
