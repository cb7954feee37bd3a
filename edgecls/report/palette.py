"""Which colour a row has: its target's, or its run's where several runs are shown together."""

from __future__ import annotations

from edgecls.report.loading import Run
from edgecls.report.recommend import HOST_ONLY

_COLOURS = 8
REFERENCE = "ref"


def colour(run: Run, index: int) -> str:
    """A row's CSS class; references of this machine are grey."""
    row = run.rows[index]
    if row.target in HOST_ONLY:
        return REFERENCE
    return colours(run)[run.origins[index] if run.origins else row.target]


def colours(run: Run) -> dict[str, str]:
    """CSS class of each target, or of each run where there are several."""
    if run.origins:
        return {name: f"c{i % _COLOURS}" for i, name in enumerate(run.among)}
    names = sorted({row.target for row in run.rows} - set(HOST_ONLY))
    own = {name: f"c{i % _COLOURS}" for i, name in enumerate(names)}
    return own | dict.fromkeys(HOST_ONLY, REFERENCE)
