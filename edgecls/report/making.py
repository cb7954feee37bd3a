"""How the models were made: the checkpoints, the plan's reasons, the stages with their times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edgecls.report import units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, number_cell, prose, table
from edgecls.rundir import ModelInfo

# An edit's record holds whole index lists; the page says what was done, the checkpoint has it all.
_LONGEST = 90


def models(run: Run) -> list[Html]:
    """Every checkpoint, against the reference, and what was done to it."""
    if not run.info.models:
        return [el("p", "The run folder names no model.", class_="muted")]
    reference = next((m for m in run.info.models if m.name == run.info.reference), None)
    lines = [_model(model, run, reference) for model in run.info.models]
    head = [column(name, "text") for name in ("Model", "Architecture", "Method", "Made from")]
    head += [column(name, "number") for name in ("Parameters", "MACs", "fp32 size")]
    whole = table(head, lines, "Models", "sortable plain untitled")
    return [whole, *(_about(model) for model in run.info.models)]


def making(run: Run) -> list[Html]:
    """Why the plan is what it is, and how long each stage took."""
    plan = run.info.plan
    reasons = plan.get("reasons") or []
    reasons = [reasons] if isinstance(reasons, str) else reasons
    parts = [el("ul", *(el("li", prose(str(reason))) for reason in reasons), class_="reasons")]
    if not reasons:
        parts = [el("p", "The plan gives no reasons.", class_="muted")]
    minutes = plan.get("minutes")
    if isinstance(minutes, (int, float)) and units.known(minutes):
        text = f"Estimated before the run: {units.significant(minutes, 2)} min."
        parts.append(el("p", prose(text), class_="muted"))
    if run.info.stages:
        parts.append(_stages(run))
    return parts


def describe(value: Any) -> str:
    """A setting in one line; what is long is cut."""
    if isinstance(value, Mapping):
        text = ", ".join(f"{key} {describe(item)}" for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        text = ", ".join(describe(item) for item in value)
    elif isinstance(value, bool) or value is None:
        text = {True: "yes", False: "no", None: "none"}[value]
    elif isinstance(value, float):
        text = f"{value:.6g}"
    else:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def settings(values: Mapping[str, Any], code: bool = False) -> Html:
    """Names and values as a list of terms."""
    items = []
    for key, value in values.items():
        shown = describe(value)
        items += [el("dt", key), el("dd", el("code", shown) if code else shown)]
    return el("dl", *items, class_="settings")


def _model(model: ModelInfo, run: Run, reference: ModelInfo | None) -> Html:
    roles = {run.info.reference: "reference", run.info.shipped: "shipped"}
    role = el("small", roles[model.name]) if model.name in roles else None
    return el(
        "tr",
        el("th", model.name, role, scope="row"),
        el("td", model.arch),
        el("td", model.method),
        el("td", ", ".join(model.parents) or units.ABSENT),
        _shrunk(units.magnitude(model.num_params), model.num_params, reference, "num_params"),
        _shrunk(units.magnitude(model.macs), model.macs, reference, "macs"),
        _shrunk(units.size(model.size_bytes), model.size_bytes, reference, "size_bytes"),
    )


def _shrunk(text: str, value: int, reference: ModelInfo | None, field: str) -> Html:
    """A figure with how many times smaller than the reference's it is."""
    whole = getattr(reference, field) if reference is not None else 0
    note = f"{units.ratio(whole / value)} smaller" if value and whole > value else ""
    return number_cell(text, value, note)


def _about(model: ModelInfo) -> Html:
    """Options, metrics and edits of one model, folded."""
    parts = []
    if model.options:
        parts += [el("h4", "Options"), settings(model.options)]
    if model.metrics:
        parts += [el("h4", "Metrics when it was made"), settings(model.metrics)]
    if model.edits:
        edits = [el("li", describe(edit)) for edit in model.edits]
        parts += [el("h4", "Edits, in order"), el("ol", *edits)]
    if not parts:
        parts = [el("p", "Made with its defaults, and not edited.", class_="muted")]
    edited = f", {units.plural(len(model.edits), 'edit')}" if model.edits else ""
    return el("details", el("summary", f"{model.name}: options and metrics{edited}"), *parts)


def _stages(run: Run) -> Html:
    longest = max(stage.seconds for stage in run.info.stages) or 1.0
    lines = [
        el(
            "tr",
            el("th", stage.name, scope="row"),
            number_cell(units.duration(stage.seconds), stage.seconds),
            el("td", el("span", class_="bar", style=f"--v:{stage.seconds / longest:.3f}")),
            el("td", "reused from an earlier run" if stage.cached else ""),
        )
        for stage in run.info.stages
    ]
    total = sum(stage.seconds for stage in run.info.stages)
    fresh = sum(stage.seconds for stage in run.info.stages if not stage.cached)
    note = "" if fresh == total else f"{units.duration(fresh)} in this run"
    cells = [number_cell(units.duration(total), total), el("td"), el("td", note)]
    foot = el("tr", el("th", "Together", scope="row"), *cells)
    head = [column("Stage", "text"), column("Time", "number"), column(""), column("")]
    return table(head, lines, "Stages", "plain compact untitled", foot=foot)
