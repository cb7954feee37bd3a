"""The texts inside the plot of latency and accuracy: the budget's lines, the points' names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgecls.report import units
from edgecls.report.labels import CHARACTER, HEIGHT, Anchor, Box, Wish, along, around, place
from edgecls.report.points import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Plot, Point
from edgecls.report.rows import title
from edgecls.report.svg import MARKER

_LONGEST = 44
_RING = 14
_FRAME = Box(LEFT, TOP - 8, WIDTH - 4, BOTTOM)
# Of more points than this only those that matter to the choice are named.
_CROWD = 24


@dataclass(frozen=True)
class Caption:
    """A text with the pixel of its baseline. kind: its CSS class."""

    text: str
    x: float
    y: float
    anchor: Anchor
    kind: str = "label"

    @property
    def box(self) -> Box:
        width = CHARACTER * len(self.text)
        left = {"start": self.x, "middle": self.x - width / 2, "end": self.x - width}[self.anchor]
        return Box(left, self.y + 4 - HEIGHT, left + width, self.y + 4)


def captions(plot: Plot) -> list[Caption]:
    """The recommended row's name, what the budget's lines say, and the other names, in that order.

    A name without room, or in a crowd, is left out: the legend, the hint and the table have it.
    """
    found = _names(plot, [p for p in plot.points if p.index in plot.chosen], [])
    found += _notes(plot, found)
    return found + _names(plot, _others(plot), found)


def _others(plot: Plot) -> list[Point]:
    """All but the recommended one: those off the scale first, then the front."""
    front = plot.best
    rest = [point for point in plot.points if point.index not in plot.chosen]
    if len(rest) > _CROWD:
        rest = [point for point in rest if point.below or point.index in front]
    return sorted(rest, key=lambda point: (not point.below, point.index not in front, point.index))


def _names(plot: Plot, points: Sequence[Point], before: Sequence[Caption]) -> list[Caption]:
    wishes = [Wish(_name(plot, p), *plot.at(p), needed=p.index in plot.chosen) for p in points]
    solid = [*_markers(plot), *(caption.box for caption in before)]
    return [
        Caption(wish.text, spot.x, spot.y, spot.anchor, "label chosen" if wish.needed else "label")
        for wish, spot in zip(wishes, place(wishes, solid, list(_lines(plot)), _FRAME), strict=True)
        if spot is not None
    ]


def _notes(plot: Plot, before: Sequence[Caption]) -> list[Caption]:
    """What the budget's lines say, each where it covers least."""
    found: list[Caption] = []
    taken = [*_markers(plot), *_budget(plot), *(caption.box for caption in before)]
    ends: list[tuple[float, Anchor]] = [(RIGHT - 4, "end"), (LEFT + 6, "start")]
    if plot.limit_ms is not None:
        text, x = f"budget: p90 ≤ {plot.limit_ms:g} ms", plot.x(plot.limit_ms)
        sides: list[tuple[float, Anchor]] = [(x - 6, "end"), (x + 6, "start")]
        places = [(at, float(y), side) for y in (BOTTOM - 8, TOP + 12) for at, side in sides]
        found.append(_clearest(text, places, taken))
        ends.insert(1, sides[0])
    if plot.floor is not None:
        text, y = f"budget: at least {units.percent(plot.floor)}", plot.y(plot.floor)
        places = [(x, at, end) for x, end in ends for at in (y + 15, y - 6)]
        found.append(_clearest(text, places, [*taken, *(note.box for note in found)]))
    return found


def _clearest(
    text: str, places: Sequence[tuple[float, float, Anchor]], taken: Sequence[Box]
) -> Caption:
    options = [Caption(text, x, y, anchor, "limit-text") for x, y, anchor in places]
    inside = [option for option in options if _FRAME.holds(option.box)] or options
    return min(inside, key=lambda option: sum(option.box.overlap(box) for box in taken))


def _name(plot: Plot, point: Point) -> str:
    text = title(point.row) if point.index in plot.chosen else point.row.model
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"{text} {units.percent(point.accuracy.value, 1)}" if point.below else text


def _markers(plot: Plot) -> Iterator[Box]:
    for point in plot.points:
        x, y = plot.at(point)
        yield around(x, y, _RING if point.index in plot.chosen else MARKER + 1)


def _budget(plot: Plot) -> Iterator[Box]:
    if plot.floor is not None:
        yield along(LEFT, plot.y(plot.floor), RIGHT, plot.y(plot.floor))
    if plot.limit_ms is not None:
        yield along(plot.x(plot.limit_ms), TOP, plot.x(plot.limit_ms), BOTTOM)


def _lines(plot: Plot) -> Iterator[Box]:
    """The front, the whiskers and the budget's lines."""
    for front in plot.fronts():
        for (x1, y1), (x2, y2) in pairwise(front):
            yield along(x1, y1, x2, y2)
    for point in plot.points:
        x, y = plot.at(point)
        yield along(x, y, plot.x(point.p90), y)
        if not point.below:
            yield along(x, plot.y(point.accuracy.low), x, plot.y(point.accuracy.high))
    yield from _budget(plot)
