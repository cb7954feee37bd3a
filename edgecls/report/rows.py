"""What the report asks of a `Measurement`, asked in one place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.rundir import RunInfo

Split = Literal["validation", "test"]
# Two rows are said to differ where the paired test's corrected p-value is not above this.
SIGNIFICANCE = 0.05
HOST = "host"


@dataclass(frozen=True)
class Accuracy:
    """Top-1 of one row on one split, as fractions of 1, with its 95 % interval."""

    value: float
    low: float
    high: float


def accuracy(row: Measurement, split: Split) -> Accuracy | None:
    """A row's accuracy; without an interval both ends are the value itself."""
    if split == "validation":
        value, low, high = row.val_top1, row.val_top1_low, row.val_top1_high
    else:
        value, low, high = row.top1, row.top1_low, row.top1_high
    if value is None or not units.known(value):
        return None
    return Accuracy(value, units.finite(low, value), units.finite(high, value))


def title(row: Measurement) -> str:
    """The row's name, with its device where that is not this machine."""
    return row.name if row.device == HOST else f"{row.name} · {row.device}"


def was_throttled(row: Measurement) -> bool:
    """Whether its device was seen to hold its clock down while it was measured."""
    return row.environment.get("throttled") == "yes"


def is_measured(row: Measurement) -> bool:
    return row.converted == "ok" and row.measured == "ok"


def is_shown(row: Measurement) -> bool:
    """Whether the row has a place in a plot of latency."""
    return is_measured(row) and units.known(row.latency_p50_ms) and bool(row.latency_p50_ms)


def setback(row: Measurement) -> str:
    """Why a row has no figures, as a sentence; empty where it has."""
    if is_measured(row):
        return ""
    steps = (
        ("convert", "converted", row.converted),
        ("compile", "compiled", row.compiled),
        ("measure", "measured", row.measured),
    )
    verb, participle, status = next(
        (step for step in steps if step[2] == "failed"),
        next((step for step in steps if step[2] != "ok"), steps[-1]),
    )
    # What stopped it is the last step, where nothing failed: a device may do the compilation.
    if status == "skipped" and row.converted == "ok":
        participle = "measured"
    text = f"Failed to {verb}" if status == "failed" else f"Not {participle}"
    return f"{text}: {row.reason or 'no reason was recorded'}"


def reference_row(
    rows: Sequence[Measurement], model: str, host_only: Collection[str], device: str | None = None
) -> Measurement | None:
    """A model's measured PyTorch row, on one device where that is named."""
    for row in rows:
        fits = row.model == model and row.target in host_only and is_measured(row)
        if fits and (device is None or row.device == device):
            return row
    return None


def speed_up(row: Measurement, baseline: Measurement | None) -> float | None:
    """How many times as fast as the baseline, by p50."""
    if baseline is None or not is_shown(row) or not is_shown(baseline):
        return None
    assert baseline.latency_p50_ms is not None and row.latency_p50_ms is not None
    return baseline.latency_p50_ms / row.latency_p50_ms


def reference_size(info: RunInfo) -> int | None:
    """The fp32 size of the reference model's checkpoint, in bytes."""
    return next((m.size_bytes for m in info.models if m.name == info.reference), None)


def no_difference(row: Measurement) -> bool:
    """Whether the paired test saw no difference from the reference."""
    return row.p_value is not None and row.p_value > SIGNIFICANCE
