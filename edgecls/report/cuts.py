"""What was cut: channels of every layer before and after, how the cut was found, and the zeros."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecls.report import units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, number_cell, prose, table
from edgecls.rundir import ModelInfo

GAINS = {
    "unstructured": "Zeros that stand anywhere make a compressed download smaller. No runtime of"
    " this report is quicker for them by itself: ONNX Runtime and TensorRT multiply them like any"
    " number, and OpenVINO packs sparse int8 matrices on Xeons with AMX alone, if it is told to.",
    "n:m": "Zeros in this pattern are quicker through TensorRT on NVIDIA GPUs from Ampere on, where"
    " its builder finds a sparse kernel that gains, mostly for large layers in fp16 and int8. CPUs"
    " multiply them like any number; a compressed download is smaller.",
}
_PRICES = {"macs": "MACs", "params": "parameters", "size": "fp32 weights"}
_GOALS = {
    "macs_ratio": "{:,.0f} MACs at most",
    "params_ratio": "{:,.0f} parameters at most",
    "size_bytes": "{:,.0f} bytes of fp32 weights at most",
    "latency_ratio": "at most {:.4g} of the uncut net's p50, measured",
    "latency_ms": "a p50 of at most {:.4g} ms, measured",
}


def cuts(run: Run) -> list[Html]:
    """A part for each model that was cut or made sparse by its method; empty where none was."""
    parts: list[Html] = []
    for model in run.info.models:
        # What its parent brought along stands under the parent.
        edit = model.edits[-1] if model.edits else {}
        if edit.get("kind") == "prune" and model.method == "prune":
            parts += _cut(model, edit)
        elif edit.get("kind") == "sparsify" and model.method == "sparsify":
            parts += _zeros(model, edit)
    return parts


def _cut(model: ModelInfo, edit: Mapping[str, Any]) -> list[Html]:
    parts = [el("h3", f"{model.name}: channels")]
    parts.append(el("p", prose(_sentence(edit))))
    channels = edit.get("channels") or {}
    lines = [_line(name, before, after, 1.0) for name, (before, after) in channels.items()]
    head = [column("Layer", "text"), column("Before", "number"), column("After", "number")]
    head += [column("Left", "number"), column("")]
    if lines:
        parts.append(table(head, lines, f"Channels of {model.name}", "sortable plain compact"))
    if edit.get("measured"):
        parts.append(_points(model, edit["measured"]))
    return parts


def _sentence(edit: Mapping[str, Any]) -> str:
    """What it was aimed at, and what it came to."""
    before, after = edit.get("before"), edit.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return "The checkpoint does not say how the cut was found: it is of an older version."
    shrunk = [
        f"{title} from {_figure(kind, before[kind])} to {_figure(kind, after[kind])}"
        f" ({units.ratio(before[kind] / after[kind])} fewer)"
        for kind, title in _PRICES.items()
    ]
    goal = edit.get("goal") or {}
    aim = _GOALS.get(str(goal.get("option")), "{:,.4g}").format(float(goal.get("limit", 0)))
    ranked = f"Channels were ranked by {edit.get('importance')}. "
    return f"{ranked}The goal was {aim}. " + "; ".join(shrunk) + "."


def _figure(kind: str, value: float) -> str:
    return units.size(value) if kind == "size" else units.magnitude(value)


def _line(name: str, whole: int, part: int, share_of_none: float) -> Html:
    """Two counts and a bar of their share. share_of_none: where the whole is 0."""
    share = part / whole if whole else share_of_none
    return el(
        "tr",
        el("th", name, scope="row"),
        number_cell(f"{whole:,}", whole),
        number_cell(f"{part:,}", part),
        number_cell(units.percent(share, 0), share),
        el("td", el("span", class_="bar", style=f"--v:{share:.3f}")),
    )


def _points(model: ModelInfo, points: list[Mapping[str, Any]]) -> Html:
    """Every cut that was measured on the way to the goal."""
    head = [column("Measured cut", "number"), column("MACs", "number")]
    head += [column(name, "number") for name in ("p50", "p50 of the uncut net", "Share")]
    lines = [
        el(
            "tr",
            el("th", f"{number}", scope="row", data_v=number),
            number_cell(units.magnitude(point["macs"]), point["macs"]),
            number_cell(units.milliseconds(point["ms"]), point["ms"]),
            number_cell(units.milliseconds(point["uncut_ms"]), point["uncut_ms"]),
            number_cell(units.percent(share, 1), share),
        )
        for number, point in enumerate(points, 1)
        # Checkpoints of before it was measured by itself have two medians alone.
        for share in [point.get("ratio") or point["ms"] / point["uncut_ms"]]
    ]
    caption = f"Latencies of cuts of {model.name}, before its fine-tuning"
    return table(head, lines, caption, "sortable plain compact")


def _zeros(model: ModelInfo, edit: Mapping[str, Any]) -> list[Html]:
    pattern, counts = str(edit.get("pattern")), edit.get("zeros") or {}
    lines = [_line(name, whole, none, 0.0) for name, (none, whole) in counts.items()]
    none, whole = (sum(pair[i] for pair in counts.values()) for i in (0, 1))
    before, after = edit.get("compressed_bytes") or (None, None)
    text = f"Pattern {pattern}: {units.percent(none / max(1, whole), 1)} of the weights between the"
    text += f" first layer and the last are zero. Compressed, all weights take {units.size(after)}"
    text += f", before it was {units.size(before)}."
    head = [column("Layer", "text"), column("Weights", "number"), column("Zeros", "number")]
    head += [column("Share", "number"), column("")]
    return [
        el("h3", f"{model.name}: zeros"),
        el("p", prose(text)),
        el("p", prose(GAINS["n:m" if ":" in pattern else pattern])),
        table(head, lines, f"Zeros of {model.name}", "sortable plain compact"),
    ]
