"""The plot of latency and accuracy: drawn here, so that it shows without any script.

Colour is the target, or the run where there are several; shape the precision, the label the model.
Across: p50 on a log scale, with a whisker to p90, which is what a latency budget limits. Up: top-1
with its 95 % interval.
"""

from __future__ import annotations

from edgecls.report import svg, units
from edgecls.report.captions import captions
from edgecls.report.loading import Run
from edgecls.report.markup import Html, el, join
from edgecls.report.palette import REFERENCE, colours
from edgecls.report.palette import colour as colour_of
from edgecls.report.points import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Plot,
    Point,
    plot_of,
)
from edgecls.report.recommend import HOST_ONLY
from edgecls.report.rows import Split, is_shown


def scatter(run: Run, split: Split, number: int = 0) -> Html | None:
    """The plot on one split; None where no row has both figures. number: its place on the page."""
    plot = plot_of(run, split)
    if plot is None:
        return None
    parts = [*frame(plot, split), *_fronts(plot)]
    parts += [_whiskers(run, plot, point) for point in plot.points]
    parts += [_linked(run, plot, point) for point in plot.points]
    parts += names(plot)
    label = f"Accuracy on {split} against latency, {units.plural(len(plot.points), 'row')}"
    drawn = svg.figure(WIDTH, HEIGHT, label, parts, f"scatter {split}")
    return el("div", drawn, class_="drawing", data_plot=number)


def still(run: Run, split: Split) -> list[Html]:
    """The same without links, for a picture of its own; empty where no row has both figures."""
    plot = plot_of(run, split)
    if plot is None:
        return []
    parts = [*frame(plot, split), *_fronts(plot)]
    parts += [_whiskers(run, plot, point) for point in plot.points]
    parts += [el("g", *_mark(run, plot, point)) for point in plot.points]
    return parts + names(plot)


def names(plot: Plot) -> list[Html]:
    return [svg.text(c.x, c.y, c.text, f"{c.kind} {c.anchor}") for c in captions(plot)]


def legend(run: Run) -> Html:
    """Targets or runs by colour, precisions by shape, and what the lines are."""
    colour = colours(run)
    shown = [i for i, row in enumerate(run.rows) if is_shown(row)]
    keys = {run.origins[i] if run.origins else run.rows[i].target for i in shown}
    named = [name for name in colour if name in keys]
    precisions = sorted({run.rows[i].precision for i in shown}, reverse=True)
    items = [el("li", "Run" if run.origins else "Target", class_="muted")]
    items += [el("li", el("span", class_=f"swatch {colour[name]}"), name) for name in named]
    if run.origins and any(run.rows[i].target in HOST_ONLY for i in shown):
        items.append(el("li", el("span", class_=f"swatch {REFERENCE}"), "PyTorch, a reference"))
    lines = [
        el("li", el("span", class_="key front"), "best accuracy at each speed"),
        el("li", el("span", class_="key limit"), "budget"),
    ]
    shapes = [el("li", svg.glyph(name, "plain"), name) for name in precisions]
    return el(
        "div",
        el("ul", *items, class_="doubled"),
        el("ul", el("li", "Precision", class_="muted"), *shapes, class_="doubled"),
        el("ul", *lines),
        class_="legend",
    )


def _fronts(plot: Plot) -> list[Html]:
    return [svg.path(steps, "front") for steps in plot.fronts()]


def frame(plot: Plot, split: Split) -> list[Html]:
    """The axes and the budget's lines."""
    return [*_grid(plot, split), *_budget(plot)]


def _grid(plot: Plot, split: Split) -> list[Html]:
    left, right, low, top = LEFT, RIGHT, BOTTOM, TOP
    parts = []
    for tick in plot.y.ticks():
        if tick <= 1:
            y = plot.y(tick)
            parts.append(svg.line(left, y, right, y, "grid"))
            parts.append(svg.text(left - 8, y + 4, f"{100 * tick:.6g} %", "tick end"))
    for tick in plot.x.ticks():
        x = plot.x(tick)
        parts.append(svg.line(x, top, x, low, "grid"))
        parts.append(svg.text(x, low + 18, f"{tick:g}", "tick middle"))
    parts.append(svg.line(left, low, right, low, "axis"))
    across = "Latency, ms (marker p50, whisker to p90, log scale)"
    parts.append(svg.text((left + right) / 2, HEIGHT - 10, across, "title middle"))
    up = f"Top-1 on {split}"
    middle = (top + low) / 2
    parts.append(
        svg.text(0, 0, up, "title middle", transform=f"translate(13 {middle:.0f}) rotate(-90)")
    )
    return parts


def _budget(plot: Plot) -> list[Html]:
    """The lines beyond which a row is not recommended."""
    parts = []
    if plot.floor is not None:
        y = plot.y(plot.floor)
        parts.append(svg.line(LEFT, y, RIGHT, y, "limit"))
    if plot.limit_ms is not None:
        x = plot.x(plot.limit_ms)
        parts.append(svg.line(x, TOP, x, BOTTOM, "limit"))
    return parts


def _whiskers(run: Run, plot: Plot, point: Point) -> Html:
    kind = f"whisker {colour_of(run, point.index)}"
    x, y = plot.at(point)
    parts = [svg.line(x, y, plot.x(point.p90), y, kind)]
    if not point.below:
        low, high = plot.y(point.accuracy.low), plot.y(point.accuracy.high)
        parts.append(svg.line(x, low, x, high, kind))
    return join(parts)


def _linked(run: Run, plot: Plot, point: Point) -> Html:
    """The marker, which is a link to its row, so that the keyboard reaches it."""
    about = f"{run.title(point.index)}: {units.percent(point.accuracy.value)}, "
    about += f"p50 {units.milliseconds(point.p50)}"
    number = run.first + point.index
    return el(
        "a",
        el("title", about),
        *_mark(run, plot, point),
        href=f"#row-{number}",
        class_="point",
        data_row=number,
        aria_label=about,
    )


def _mark(run: Run, plot: Plot, point: Point) -> list[Html]:
    x, y = plot.at(point)
    kind = f"mark {colour_of(run, point.index)}"
    parts = []
    if point.index in plot.chosen:
        parts.append(el("circle", cx=svg.px(x), cy=svg.px(y), r=13, class_="halo"))
    if point.below:
        parts.append(svg.path([(x - 5, y + 9), (x, y + 14), (x + 5, y + 9)], f"whisker {kind}"))
    return [*parts, svg.marker(point.row.precision, x, y, kind)]
