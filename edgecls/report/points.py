"""The rows that a plot of latency and accuracy shows, on their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecls.core import Measurement
from edgecls.report.limits import limits_of
from edgecls.report.loading import Run
from edgecls.report.recommend import HOST_ONLY
from edgecls.report.rows import Accuracy, Split, accuracy, comparable, is_shown
from edgecls.report.svg import Axis
from edgecls.report.units import finite

WIDTH, HEIGHT = 1000, 470
LEFT, RIGHT, TOP, BOTTOM = 62, WIDTH - 18, 16, HEIGHT - 50
# A row this far below the best would press all others together: it is drawn at the lower edge.
_DEPTH = 0.08


@dataclass(frozen=True)
class Point:
    """A row that has a place in the plot. below: its accuracy lies under the plot's lower edge."""

    index: int
    row: Measurement
    p50: float
    p90: float
    accuracy: Accuracy
    below: bool

    @property
    def shipped(self) -> bool:
        return self.row.target not in HOST_ONLY


@dataclass(frozen=True)
class Plot:
    """The points on their axes.

    chosen: the recommended rows' indices. floor: the least accuracy, on validation alone, and
    limit_ms the largest p90, that the budget admits; None where there is none. devices: those
    that are shipped to, the recommended row's first; every: whether each has its front drawn, and
    not the first alone.
    """

    points: tuple[Point, ...]
    x: Axis
    y: Axis
    chosen: frozenset[int]
    floor: float | None
    limit_ms: float | None
    devices: tuple[str, ...]
    every: bool

    @property
    def compared(self) -> list[Point]:
        """Those that are to be shipped to one device: the recommended row's, else the first's."""
        return self._shipped(self.devices[0]) if self.devices else []

    @property
    def best(self) -> frozenset[int]:
        """The indices of all points on a front."""
        fronts = (pareto(self._shipped(device)) for device in self._fronted)
        return frozenset(point.index for front in fronts for point in front)

    @property
    def _fronted(self) -> tuple[str, ...]:
        return self.devices if self.every else self.devices[:1]

    def _shipped(self, device: str) -> list[Point]:
        return [point for point in self.points if point.shipped and point.row.device == device]

    def at(self, point: Point) -> tuple[float, float]:
        """A point's pixels."""
        return self.x(point.p50), self.y(point.accuracy.value)

    def fronts(self) -> list[list[tuple[float, float]]]:
        """The Pareto fronts' steps in pixels: what accuracy is to be had within a latency."""
        return [steps for device in self._fronted if (steps := self._steps(device))]

    def _steps(self, device: str) -> list[tuple[float, float]]:
        steps: list[tuple[float, float]] = []
        for point in pareto([point for point in self._shipped(device) if not point.below]):
            x, y = self.at(point)
            steps += [(x, steps[-1][1])] if steps else []
            steps.append((x, y))
        return steps


def plot_of(run: Run, split: Split) -> Plot | None:
    """Every row that has both figures; None where there is none."""
    alike = comparable(run.rows)
    shown = [
        (i, row, value)
        for i, row in enumerate(run.rows)
        if i in alike and is_shown(row) and (value := accuracy(row, split)) is not None
    ]
    if not shown:
        return None
    floor = floor_of(run) if split == "validation" else None
    low, high = _range([value for _, _, value in shown], floor, run.info.budget.max_drop)
    points = tuple(
        Point(i, row, p50, max(p50, finite(row.latency_p90_ms, p50)), value, value.value < low)
        for i, row, value in shown
        if (p50 := row.latency_p50_ms) is not None
    )
    times = [time for point in points for time in (point.p50, point.p90)]
    if run.info.budget.max_latency_ms:
        times.append(run.info.budget.max_latency_ms)
    x = Axis(min(times) / 1.3, max(times) * 1.3, LEFT, RIGHT, log=True)
    y = Axis(low, high, BOTTOM, TOP)
    limit, every = run.info.budget.max_latency_ms, bool(run.origins)
    return Plot(points, x, y, run.recommendation.chosen, floor, limit, _devices(run, points), every)


def floor_of(run: Run) -> float | None:
    """The least validation accuracy that the budget admits."""
    return limits_of(run.recommendation.rows, run.info, HOST_ONLY).floor


def _devices(run: Run, points: Sequence[Point]) -> tuple[str, ...]:
    """All devices that are shipped to."""
    found = dict.fromkeys(point.row.device for point in points if point.shipped)
    best = run.recommendation.row
    return tuple(sorted(found, key=lambda name: best is None or name != best.device))


def _range(values: Sequence[Accuracy], floor: float | None, drop: float) -> tuple[float, float]:
    """The accuracies to show: all of them, unless a few lie far below."""
    best = max(value.value for value in values)
    widest = max(value.high - value.low for value in values)
    cut = best - max(_DEPTH, 4 * drop, 2 * widest)
    near = [value for value in values if value.value >= cut]
    kept = near if 2 * len(near) > len(values) else list(values)
    low = min([value.low for value in kept] + ([floor] if floor is not None else []))
    high = max(value.high for value in kept)
    margin = max(0.06 * (high - low), 0.001)
    return low - margin, min(1.0, high + margin) if high < 1 else 1.0 + margin / 2


def pareto(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both figures, fastest first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (p.p50, -p.accuracy.value)):
        if not found or point.accuracy.value > found[-1].accuracy.value:
            found.append(point)
    return found
