"""What two runs are against each other, as values.

*OLD* is the run that is trusted, *NEW* the one that is judged. Accuracies are fractions of 1,
latencies milliseconds, and changes of latency fractions of OLD's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgecls.core import Measurement
from edgecls.errors import EdgeclsError

Kind = Literal["accuracy", "latency"]
KINDS: tuple[Kind, ...] = ("accuracy", "latency")
OLD, NEW = "OLD", "NEW"
# Below this corrected p-value a bound that is exceeded is an alarm: a false one stops somebody's
# work, so it is to be rarer than the usual 0.05.
ALARM = 0.01
# Accuracies are ratios of counts: their differences carry an ulp.
_ULP = 1e-9


class Incomparable(EdgeclsError):
    """A figure of two rows cannot be tested; the cause is what the table says of it."""


@dataclass(frozen=True)
class Bounds:
    """What NEW may lose. max_drop: of accuracy; max_slower: of OLD's latency."""

    max_drop: float = 0.005
    max_slower: float = 0.05

    def of(self, kind: Kind) -> float:
        return self.max_drop if kind == "accuracy" else self.max_slower


@dataclass(frozen=True)
class Change:
    """One figure in both runs. value: NEW minus OLD, of latency over OLD, with its 95 % interval.

    The interval is of this row alone. p_value: of the paired test (accuracy) or of that over
    launches (latency), corrected for the number of rows; None where it was not tested, and then
    `reason` says why. notes: what else is to be known of it.
    """

    kind: Kind
    old: float | None = None
    new: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """How much worse NEW is; below 0 where it is better."""
        value = self.value or 0.0
        return -value if self.kind == "accuracy" else value

    def is_beyond(self, bound: float) -> bool:
        """Whether NEW is worse than `bound` allows, be it by chance."""
        return self.loss > bound + _ULP

    def is_alarm(self, bound: float) -> bool:
        """Whether it is, and chance does not explain that there is a change at all."""
        return self.p_value is not None and self.p_value < ALARM and self.is_beyond(bound)


@dataclass(frozen=True)
class Pair:
    """A row of both runs, or of one. name: fit to print as it is.

    gone: why a row that was measured in OLD is not in NEW, as a sentence; empty where it is.
    changes: of each kind, where the row was measured in both.
    """

    name: str
    old: Measurement | None
    new: Measurement | None
    gone: str
    changes: Mapping[Kind, Change] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """Both runs, row by row: OLD's order, then what is in NEW alone. old, new: their paths."""

    old: str
    new: str
    bounds: Bounds
    pairs: tuple[Pair, ...]

    def changes(self, kind: Kind) -> Iterator[tuple[Pair, Change]]:
        """Of the rows that were measured in both."""
        for pair in self.pairs:
            if kind in pair.changes:
                yield pair, pair.changes[kind]

    @property
    def num_tested(self) -> int:
        """How many figures were tested."""
        return sum(change.p_value is not None for k in KINDS for _, change in self.changes(k))
