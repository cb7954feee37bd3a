"""Cross-validation and the learning curve: trainings on parts of the images."""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.evaluation import Folds, LearningCurve, Trained
from edgecls.report import svg, units
from edgecls.report.markup import Html, column, el, number_cell, prose, table
from edgecls.report.rows import SIGNIFICANCE

WIDTH, HEIGHT = 620, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 600, 18, 266
# A doubling of the images that gains less than this, in fractions of 1, is not worth its work.
_WORTH = 0.002


def cross_validation(found: Folds) -> list[Html]:
    """The mean over the folds, and each of them."""
    about = (
        f"{units.plural(len(found.parts), 'training')}, each judged on images that it has neither"
        f" trained nor chosen on: {units.percent(found.mean)} on average, standard deviation"
        f" {units.points(found.std)}. The 95 % interval of the mean is"
        f" {units.interval(found.low, found.high)}; it allows for the folds' sharing most of their"
        " training images (Nadeau and Bengio 2003)."
    )
    return [el("p", prose(about)), el("div", _table(found.parts, "Every fold"), class_="beside")]


def learning_curve(found: LearningCurve) -> list[Html]:
    """Accuracy over the number of training images, and what more of them would bring."""
    return [
        el("p", prose(more_images(found))),
        el("div", el("figure", _plot(found.parts)), class_="wide"),
        el("div", _table(found.parts, "Every size"), class_="beside"),
    ]


def more_images(found: LearningCurve) -> str:
    """Whether more images would help, as a sentence."""
    gain = units.points(found.gain_per_doubling)
    seen = found.p_value <= SIGNIFICANCE
    evidence = f"({units.p_value(found.p_value)}, McNemar's test of the last two sizes)"
    if seen and found.gain_per_doubling >= _WORTH:
        return (
            f"More images would probably still help: the last step brought {gain} for each"
            f" doubling {evidence}. Every further doubling usually brings less than the last."
        )
    if seen and found.gain_per_doubling < 0:
        return f"More images made it worse by {gain} for each doubling {evidence}: look at them."
    if seen:
        return (
            f"More images would bring little: the last step brought {gain} for each doubling"
            f" {evidence}."
        )
    return (
        f"No difference between the last two sizes can be told from chance {evidence} with"
        f" {found.parts[-1].num_images:,} images judged: more images of the same kind would bring"
        " little, or less than so many can show."
    )


def _plot(parts: Sequence[Trained]) -> Html:
    counts = [part.num_train for part in parts]
    low, high = min(part.top1_low for part in parts), max(part.top1_high for part in parts)
    x = svg.Axis(min(counts) * 0.9, max(counts) * 1.1, _LEFT, _RIGHT, log=True)
    y = svg.Axis(max(0.0, low - 0.02), min(1.0, high + 0.02), _BOTTOM, _TOP)
    drawn = []
    for tick in svg.linear_ticks(y.low, y.high):
        drawn.append(svg.line(_LEFT, y(tick), _RIGHT, y(tick), "grid"))
        drawn.append(svg.text(_LEFT - 7, y(tick) + 4, f"{100 * tick:.6g} %", "tick end"))
    drawn.append(svg.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis"))
    for part in parts:
        at = x(part.num_train)
        between = units.interval(part.top1_low, part.top1_high)
        about = f"{part.num_train:,} images: {units.percent(part.top1)} ({between})"
        whisker = svg.line(at, y(part.top1_low), at, y(part.top1_high), "error")
        dot = svg.marker("fp32", at, y(part.top1), "dot accuracy", 4)
        drawn.append(el("g", el("title", about), whisker, dot))
        drawn.append(svg.text(at, _BOTTOM + 17, f"{part.num_train:,}", "tick middle"))
    drawn.append(svg.path([(x(p.num_train), y(p.top1)) for p in parts], "curve accuracy"))
    middle = (_LEFT + _RIGHT) / 2
    title = "Training images (logarithmic); whiskers are 95 % intervals"
    drawn.append(svg.text(middle, HEIGHT - 8, title, "title middle"))
    return svg.figure(WIDTH, HEIGHT, "Top-1 over the number of training images", drawn, "curves")


def _table(parts: Sequence[Trained], caption: str) -> Html:
    names = ("Trained on", "Chosen on", "Judged on", "Top-1", "ECE", "Seconds")
    head = [column("Training"), *(column(name, "number") for name in names)]
    lines = [
        el(
            "tr",
            el("th", part.name, scope="row"),
            number_cell(f"{part.num_train:,}", part.num_train),
            number_cell(f"{part.num_validation:,}", part.num_validation),
            number_cell(f"{part.num_images:,}", part.num_images),
            number_cell(
                units.percent(part.top1), part.top1, units.interval(part.top1_low, part.top1_high)
            ),
            number_cell(units.percent(part.ece), part.ece),
            number_cell(f"{part.seconds:,.0f}", part.seconds),
        )
        for part in parts
    ]
    return table(head, lines, caption, "sortable plain compact")
