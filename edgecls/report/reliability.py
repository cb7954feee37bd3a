"""The reliability diagram: accuracy over confidence, before and after temperature scaling."""

from __future__ import annotations

from edgecls.report import svg, units
from edgecls.report.markup import Html, column, el, number_cell, prose, table
from edgecls.train.calibration import Calibration

WIDTH, HEIGHT = 430, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 406, 16, 284
# A gap below this, in fractions of 1, is of no use to anyone.
_WELL = 0.02


def reliability(raw: Calibration, scaled: Calibration) -> list[Html]:
    """The figures of both, their diagrams, and a sentence. raw: at temperature 1."""
    both = [(raw, "As trained")]
    if scaled.temperature != 1:
        both.append((scaled, f"As shipped: logits ÷ {scaled.temperature:.3g}"))
    diagrams = [_diagram(found, name) for found, name in both]
    return [
        el("p", prose(_sentence(raw, scaled))),
        el("div", *diagrams, class_="figures"),
        el("div", _figures(both), class_="beside"),
    ]


def _sentence(raw: Calibration, scaled: Calibration) -> str:
    count = sum(each.count for each in scaled.bins)
    if not count:
        return "There are no finite logits to tell confidence from."
    gap = sum(each.count * (each.confidence - each.accuracy) for each in scaled.bins) / count
    way = "more sure than right" if gap > 0 else "less sure than right"
    text = f"Confidence and accuracy are {units.points(scaled.ece)} apart on average (ECE)"
    text += ": good enough to act on." if scaled.ece <= _WELL else f"; the model is {way}."
    if scaled.temperature != 1:
        text += (
            f" The temperature {scaled.temperature:.3g}, fitted on validation, travels with the"
            f" model; without it the ECE was {units.points(raw.ece)}."
        )
    return text


def _diagram(found: Calibration, name: str) -> Html:
    """Bars of accuracy over confidence; what lies between a bar and the diagonal is the gap."""
    x, y = svg.Axis(0, 1, _LEFT, _RIGHT), svg.Axis(0, 1, _BOTTOM, _TOP)
    parts = []
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        label = f"{100 * tick:.0f} %"
        parts.append(svg.line(_LEFT, y(tick), _RIGHT, y(tick), "grid"))
        parts.append(svg.text(_LEFT - 7, y(tick) + 4, label, "tick end"))
        parts.append(svg.text(x(tick), _BOTTOM + 16, label, "tick middle"))
    for each in found.bins:
        if each.count:
            left, width = x(each.low) + 1, x(each.high) - x(each.low) - 2
            about = (
                f"{units.plural(each.count, 'image')}: confidence"
                f" {units.percent(each.confidence, 1)}, accuracy {units.percent(each.accuracy, 1)}"
            )
            ends = sorted((y(each.accuracy), y(each.confidence)))
            bar = _box(left, y(each.accuracy), width, _BOTTOM - y(each.accuracy), "column")
            gap = _box(left, ends[0], width, ends[1] - ends[0], "gap")
            parts.append(el("g", el("title", about), bar, gap))
    parts.append(svg.line(x(0), y(0), x(1), y(1), "ideal"))
    parts.append(svg.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis"))
    middle = (_LEFT + _RIGHT) / 2
    parts.append(svg.text(middle, HEIGHT - 8, "Confidence of the answer", "title middle"))
    note = f"ECE {units.percent(found.ece)}"
    drawing = svg.figure(WIDTH, HEIGHT, f"Accuracy over confidence: {note}", parts, "curves")
    caption = el("figcaption", el("b", name), " ", el("small", prose(f"accuracy by bin, {note}")))
    return el("figure", caption, drawing)


def _box(x: float, y: float, width: float, height: float, class_: str) -> Html:
    width, height = max(0.0, width), max(0.0, height)
    return el(
        "rect",
        x=svg.px(x),
        y=svg.px(y),
        width=svg.px(width),
        height=svg.px(height),
        class_=class_,
    )


def _figures(both: list[tuple[Calibration, str]]) -> Html:
    names = {
        "ECE": "mean gap between confidence and accuracy, 15 bins",
        "Largest gap": "of a bin (MCE)",
        "Brier score": "squared error over all classes, 0 to 2",
        "NLL": "negative log-likelihood of the true class",
    }
    head = [column("Probabilities")]
    head += [column(name, "number", about) for name, about in names.items()]
    lines = [
        el(
            "tr",
            el("th", name, scope="row"),
            number_cell(units.percent(found.ece), found.ece),
            number_cell(units.percent(found.mce), found.mce),
            number_cell(f"{found.brier:.4f}", found.brier),
            number_cell(f"{found.nll:.4f}", found.nll),
        )
        for found, name in both
    ]
    return table(head, lines, "What the probabilities are worth", "plain compact")
