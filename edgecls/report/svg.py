"""The parts of a plot: axes with round ticks, and markers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgecls.report.markup import Attribute, Child, Html, el, join

MARKER = 5.5
_SHAPES = {"fp32": "circle", "fp16": "square", "bf16": "square", "int8": "triangle"}
_SHAPES |= {"int8-dynamic": "triangle", "int8-weights": "triangle"}


@dataclass(frozen=True)
class Axis:
    """A range of values on a range of pixels; `log` is by decades and needs positive values."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; values outside lie on the nearest end."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values inside the range."""
        found = _log_ticks(self.low, self.high) if self.log else linear_ticks(self.low, self.high)
        return [tick for tick in found if self.low <= tick <= self.high]


def linear_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, some five of them."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade, or its powers alone where those would crowd."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors: Sequence[float] = (1, 2, 5) if len(decades) <= 4 else (1,)
    if high / low < 4:
        return linear_ticks(low, high)
    return [float(f"{factor * 10.0**power:.6g}") for power in decades for factor in factors]


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    return el("line", x1=px(x1), y1=px(y1), x2=px(x2), y2=px(y2), class_=class_)


def text(x: float, y: float, content: Child, class_: str, **attributes: Attribute) -> Html:
    return el("text", content, x=px(x), y=px(y), class_=class_, **attributes)


def path(points: Sequence[tuple[float, float]], class_: str) -> Html:
    """A line through points."""
    steps = " ".join(f"{px(x)},{px(y)}" for x, y in points)
    return el("polyline", points=steps, class_=class_)


def shape(precision: str) -> str:
    """A precision's shape: circle, square, triangle, or a diamond for any other."""
    return _SHAPES.get(precision, "diamond")


def marker(precision: str, x: float, y: float, class_: str, radius: float = MARKER) -> Html:
    """A precision's shape at a pixel."""
    kind, r = shape(precision), radius
    if kind == "circle":
        return el("circle", cx=px(x), cy=px(y), r=px(r), class_=class_)
    if kind == "square":
        side = px(1.8 * r)
        return el(
            "rect", x=px(x - 0.9 * r), y=px(y - 0.9 * r), width=side, height=side, class_=class_
        )
    corners: Sequence[tuple[float, float]]
    if kind == "triangle":
        corners = ((0.0, -1.2 * r), (1.12 * r, 0.8 * r), (-1.12 * r, 0.8 * r))
    else:
        corners = ((0.0, -1.25 * r), (1.25 * r, 0.0), (0.0, 1.25 * r), (-1.25 * r, 0.0))
    points = " ".join(f"{px(x + dx)},{px(y + dy)}" for dx, dy in corners)
    return el("polygon", points=points, class_=class_)


def glyph(precision: str, class_: str) -> Html:
    """A marker of its own, for a legend or a table."""
    return el(
        "svg",
        marker(precision, 8, 8, f"mark {class_}"),
        class_="glyph",
        viewBox="0 0 16 16",
        width=16,
        height=16,
        aria_hidden="true",
    )


def figure(width: int, height: int, label: str, parts: Sequence[Html], class_: str) -> Html:
    """A drawing that scales with its page."""
    return el(
        "svg",
        join(parts),
        viewBox=f"0 0 {width} {height}",
        role="group",
        aria_label=label,
        class_=class_,
    )


def px(value: float) -> str:
    """A coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
