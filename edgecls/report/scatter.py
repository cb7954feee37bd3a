"""The plot of latency and accuracy: drawn here, so that it shows without any script.

Colour is the target, shape the precision, the label the model. Across: p50 on a log scale, with a
whisker to p90, which is what a latency budget limits. Up: top-1 with its 95 % interval.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.core import Measurement
from edgecls.report import svg, units
from edgecls.report.captions import captions
from edgecls.report.loading import Run
from edgecls.report.markup import Html, el, join
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
from edgecls.report.rows import Split, is_shown, title

_COLOURS = 8


def colours(rows: Sequence[Measurement]) -> dict[str, str]:
    """target -> CSS class; references of this machine are grey."""
    names = sorted({row.target for row in rows} - set(HOST_ONLY))
    own = {name: f"c{i % _COLOURS}" for i, name in enumerate(names)}
    return own | dict.fromkeys(HOST_ONLY, "ref")


def scatter(run: Run, split: Split) -> Html | None:
    """The plot on one split; None where no row has both figures."""
    plot = plot_of(run, split)
    if plot is None:
        return None
    colour = colours(run.rows)
    parts = [*_grid(plot, split), *_budget(plot)]
    parts.append(svg.path(plot.front(), "front"))
    parts += [_whiskers(plot, point, colour) for point in plot.points]
    parts += [_mark(plot, point, colour) for point in plot.points]
    parts += [svg.text(c.x, c.y, c.text, f"{c.kind} {c.anchor}") for c in captions(plot)]
    label = f"Accuracy on {split} against latency, {units.plural(len(plot.points), 'row')}"
    return svg.figure(WIDTH, HEIGHT, label, parts, f"scatter {split}")


def legend(run: Run) -> Html:
    """Targets by colour, precisions by shape, and what the lines are."""
    shown = [row for row in run.rows if is_shown(row)]
    colour = colours(run.rows)
    targets = sorted({row.target for row in shown}, key=lambda name: (name in HOST_ONLY, name))
    precisions = sorted({row.precision for row in shown}, reverse=True)
    items = [el("li", "Target", class_="muted")]
    items += [el("li", el("span", class_=f"swatch {colour[name]}"), name) for name in targets]
    lines = [
        el("li", el("span", class_="key front"), "best accuracy at each speed"),
        el("li", el("span", class_="key limit"), "budget"),
    ]
    shapes = [el("li", svg.glyph(name, "plain"), name) for name in precisions]
    return el(
        "div",
        el("ul", *items),
        el("ul", el("li", "Precision", class_="muted"), *shapes),
        el("ul", *lines),
        class_="legend",
    )


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


def _whiskers(plot: Plot, point: Point, colour: dict[str, str]) -> Html:
    kind = f"whisker {colour[point.row.target]}"
    x, y = plot.at(point)
    parts = [svg.line(x, y, plot.x(point.p90), y, kind)]
    if not point.below:
        low, high = plot.y(point.accuracy.low), plot.y(point.accuracy.high)
        parts.append(svg.line(x, low, x, high, kind))
    return join(parts)


def _mark(plot: Plot, point: Point, colour: dict[str, str]) -> Html:
    """The marker, which is a link to its row, so that the keyboard reaches it."""
    x, y = plot.at(point)
    kind = f"mark {colour[point.row.target]}"
    parts = []
    if point.index == plot.chosen:
        parts.append(el("circle", cx=svg.px(x), cy=svg.px(y), r=13, class_="halo"))
    if point.below:
        parts.append(svg.path([(x - 5, y + 9), (x, y + 14), (x + 5, y + 9)], f"whisker {kind}"))
    about = f"{title(point.row)}: {units.percent(point.accuracy.value)}, "
    about += f"p50 {units.milliseconds(point.p50)}"
    parts.append(el("title", about))
    parts.append(svg.marker(point.row.precision, x, y, kind))
    return el(
        "a",
        *parts,
        href=f"#row-{point.index}",
        class_="point",
        data_row=point.index,
        aria_label=about,
    )
