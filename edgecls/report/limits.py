"""What a row must hold to be shipped: the budget, with the accuracy that it is relative to.

Accuracy is validation's. The test split is scored once, for the report; a choice made on it would
make its figure too good.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.report.rows import is_measured
from edgecls.rundir import Budget, RunInfo

# Accuracies are ratios of counts: their differences carry an ulp.
_ULP = 1e-9


@dataclass(frozen=True)
class Limits:
    """accuracy: the reference model's on validation, None where it was not measured."""

    budget: Budget
    reference: str
    accuracy: float | None

    @property
    def floor(self) -> float | None:
        """The least validation accuracy that is good enough."""
        return None if self.accuracy is None else self.accuracy - self.budget.max_drop


@dataclass(frozen=True)
class Breach:
    """One limit that a row breaks.

    text: by how much. share: by what part of itself the limit would have to grow, infinite where
    the figure is missing. relaxed: the setting that would admit the row.
    """

    text: str
    share: float
    relaxed: str


def limits_of(rows: Sequence[Measurement], info: RunInfo, host_only: Collection[str]) -> Limits:
    """The reference accuracy is that of its PyTorch row, else of its best fp32 row."""
    own = [row for row in rows if row.model == info.reference and is_measured(row)]
    in_torch = _best(row for row in own if row.target in host_only)
    in_fp32 = _best(row for row in own if row.precision == "fp32")
    return Limits(info.budget, info.reference, in_fp32 if in_torch is None else in_torch)


def breaches(row: Measurement, limits: Limits) -> tuple[Breach, ...]:
    """Every limit that a measured row breaks; none means that it qualifies."""
    found = (_accuracy(row, limits), _latency(row, limits.budget), _size(row, limits.budget))
    return tuple(breach for breach in found if breach is not None)


def _best(rows: Iterable[Measurement]) -> float | None:
    return max(
        (row.val_top1 for row in rows if row.val_top1 is not None and units.known(row.val_top1)),
        default=None,
    )


def _accuracy(row: Measurement, limits: Limits) -> Breach | None:
    if limits.accuracy is None or limits.floor is None:
        return Breach(f"the accuracy of {limits.reference} is not known", math.inf, "")
    if row.val_top1 is None or not units.known(row.val_top1):
        return Breach("its validation accuracy was not measured", math.inf, "")
    short, drop = limits.floor - row.val_top1, limits.budget.max_drop
    if short <= _ULP:
        return None
    needed = math.ceil((limits.accuracy - row.val_top1) * 1e3 - 1e-6) / 1e3
    return Breach(
        f"too inaccurate on validation by {units.points(short)}"
        f" ({units.percent(row.val_top1)}, {units.percent(limits.floor)} needed)",
        short / max(drop, 1e-3),
        f"max_drop = {needed:g} (now {drop:g})",
    )


def _latency(row: Measurement, budget: Budget) -> Breach | None:
    limit, value = budget.max_latency_ms, row.latency_p90_ms
    if limit is None or (value is not None and value <= limit):
        return None
    if value is None or not units.known(value):
        return Breach("its p90 latency was not measured", math.inf, "")
    digits = 10 ** (math.floor(math.log10(value)) - 2)
    needed = math.ceil(value / digits - 1e-6) * digits
    return Breach(
        f"over the latency budget: p90 {units.milliseconds(value)}, {limit:g} ms allowed",
        value / limit - 1,
        f"max_latency_ms = {needed:.6g} (now {limit:g})",
    )


def _size(row: Measurement, budget: Budget) -> Breach | None:
    limit, value = budget.max_size_bytes, row.size_bytes
    if limit is None or (value is not None and value <= limit):
        return None
    if value is None:
        return Breach("its size is not known", math.inf, "")
    return Breach(
        f"too large: {units.size(value)}, {units.size_limit(limit)} allowed",
        value / limit - 1,
        f"max_size_bytes = {value} (now {limit})",
    )
