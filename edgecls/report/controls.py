"""What a script lets one choose of the plots and tables: filters, axes, and the markers' area.

Hidden until the script is there to obey. Every control is the browser's own, so that each is
reached and used by keyboard.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.report import svg
from edgecls.report.hints import axes, filters
from edgecls.report.loading import Run
from edgecls.report.markup import Html, el, foreign
from edgecls.report.palette import colours

# Of an axis: its name on the control.
AXES = {
    "p50": "Latency, p50",
    "p90": "Latency, p90",
    "end_to_end": "End to end, p50",
    "size": "Size",
    "memory": "Memory",
    "energy": "Energy a query",
}
_NAMES = {"run": "Run", "target": "Target", "precision": "Precision", "device": "Device"}


def controls(runs: Sequence[Run]) -> Html:
    """The controls of all plots and tables of the page."""
    chips = [group for name in _NAMES if (group := _chips(runs, name)) is not None]
    return el(
        "div",
        *chips,
        _choices(runs),
        el("p", class_="told", id="told", role="status", aria_live="polite"),
        class_="controls",
        id="controls",
        hidden=True,
    )


def _chips(runs: Sequence[Run], name: str) -> Html | None:
    """A checkbox for each value; None where there is nothing to choose."""
    pairs = [filters(run, i) for run in runs for i in range(len(run.rows))]
    values = dict.fromkeys(pair[name] for pair in pairs if name in pair)
    if len(values) < 2:
        return None
    shown = values if name == "run" else sorted(values, key=lambda value: value.casefold())
    chips = [
        el(
            "label",
            el("input", type="checkbox", checked=True, value=value),
            _sign(runs, name, value),
            foreign(value),
            class_="chip",
        )
        for value in shown
    ]
    return el("fieldset", el("legend", _NAMES[name]), *chips, data_filter=name)


def _sign(runs: Sequence[Run], name: str, value: str) -> Html | None:
    """What stands for the value in the plot."""
    if name == "precision":
        return svg.glyph(value, "plain")
    found = next((colours(run)[value] for run in runs if value in colours(run)), None)
    return None if found is None else el("span", class_=f"swatch {found}")


def _choices(runs: Sequence[Run]) -> Html:
    known = {
        name
        for run in runs
        for i in range(len(run.rows))
        for name, value in axes(run, i).items()
        if value is not None
    }
    options = [el("option", text, value=name) for name, text in AXES.items() if name in known]
    return el(
        "fieldset",
        el("legend", "Axes"),
        el("label", "Across ", el("select", *options, id="across"), class_="pick"),
        _switch("log-x", "log scale", checked=True),
        _switch("log-y", "log scale of the error"),
        _switch("area", "area by size"),
        el("button", "Reset", type="button", id="reset", disabled=True),
    )


def _switch(name: str, text: str, checked: bool = False) -> Html:
    box = el("input", type="checkbox", id=name, checked=checked)
    return el("label", box, text, class_="chip")
