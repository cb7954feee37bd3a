"""What each operator of a row costs, as its runtime's own profiler tells: a side file of the row.

``{"profiler": …, "queries": n, "operators": [{"name", "type", "ms"}]}``: the mean milliseconds a
query of every operator, in the order in which they are executed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from edgecls.errors import EdgeclsError


@dataclass(frozen=True)
class Operator:
    """One operator of the graph that the runtime executes. ms: of a query, a mean."""

    name: str
    type: str
    ms: float


@dataclass(frozen=True)
class Operators:
    """All of one row. queries: over how many the means are."""

    profiler: str
    queries: int
    operators: tuple[Operator, ...]

    @property
    def total_ms(self) -> float:
        return sum(each.ms for each in self.operators)

    def slowest(self) -> list[Operator]:
        return sorted(self.operators, key=lambda each: -each.ms)

    def by_type(self) -> list[tuple[str, int, float]]:
        """(type, count, sum of ms), the costliest first."""
        found: dict[str, list[float]] = {}
        for each in self.operators:
            found.setdefault(each.type, []).append(each.ms)
        sums = [(name, len(times), sum(times)) for name, times in found.items()]
        return sorted(sums, key=lambda each: -each[2])

    @staticmethod
    def from_json(data: bytes) -> Operators:
        """Raises EdgeclsError for a file that is not of this format."""
        try:
            told = json.loads(data)
            found = tuple(_operator(each) for each in told["operators"])
            return Operators(str(told["profiler"]), int(told["queries"]), found)
        except (ValueError, KeyError, TypeError) as error:
            raise EdgeclsError("the file is not of this format", "run it again") from error


def _operator(told: dict[str, object]) -> Operator:
    ms = float(str(told["ms"]))
    if not math.isfinite(ms) or ms < 0:
        raise ValueError("no time")
    return Operator(str(told["name"]), str(told["type"]), ms)


def kinds(types: Iterable[str], most: int) -> dict[str, int]:
    """type -> the number of its colour; those beyond `most` share the last."""
    return {name: min(i, most) for i, name in enumerate(dict.fromkeys(types))}
