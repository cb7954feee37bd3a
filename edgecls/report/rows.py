"""What the report asks of a `Measurement`, asked in one place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edgecls.core import Measurement
from edgecls.report import units
from edgecls.rundir import RunInfo

Split = Literal["validation", "test"]
# Two rows are said to differ where the paired test's corrected p-value is not above this.
SIGNIFICANCE = 0.05
HOST = "host"
SINGLE_STREAM, OFFLINE = "single-stream", "offline"
_VALIDATION = ("val_top1", "val_top1_low", "val_top1_high")
_TEST = ("top1", "top1_low", "top1_high", "num_images")


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


def scored_bundles(rows: Iterable[Measurement]) -> dict[str, Measurement]:
    """A row that has an accuracy on validation, of each bundle that has one. Keys: its hash."""
    return {
        row.bundle_sha256: row for row in rows if row.bundle_sha256 and row.val_top1 is not None
    }


def with_accuracy(
    row: Measurement, scored: Mapping[str, Measurement], with_test: bool = False
) -> Measurement:
    """The row, with the accuracy that the same bundle has elsewhere where it has none itself.

    A bundle is known by its hash, and proves on each device that it answers as it does here.
    """
    same = scored.get(row.bundle_sha256 or "")
    if same is None or row.val_top1 is not None:
        return row
    names = _VALIDATION + (_TEST if with_test and row.top1 is None else ())
    return row.with_(**{name: getattr(same, name) for name in names})


def title(row: Measurement) -> str:
    """The row's name, with its device where that is not this machine."""
    return row.name if row.device == HOST else f"{row.name} · {row.device}"


def place(row: Measurement) -> str:
    """Where it was measured, as a sentence calls it."""
    return "this machine" if row.device == HOST else row.device


def was_throttled(row: Measurement) -> bool:
    """Whether its device says so, and the row has no flag that would be shown instead."""
    return row.environment.get("throttled") == "yes" and "throttled" not in row.flags


def is_measured(row: Measurement) -> bool:
    return row.converted == "ok" and row.measured == "ok"


def is_timed(row: Measurement) -> bool:
    """Whether the row has a time, be it a query's or a whole lot's."""
    return is_measured(row) and units.known(row.latency_p50_ms) and bool(row.latency_p50_ms)


def is_shown(row: Measurement) -> bool:
    """Whether the row has a place in a plot of latency: the time of a whole lot is none."""
    return is_timed(row) and row.scenario != OFFLINE


def comparable(rows: Sequence[Measurement]) -> frozenset[int]:
    """The measured rows whose latencies are of one kind on their device.

    That is single stream where any row of the device has it, else the scenario of the first row
    that is not offline.
    """
    kinds: dict[str, str] = {}
    ranks = {SINGLE_STREAM: 0, OFFLINE: 2}
    for row in sorted(filter(is_measured, rows), key=lambda row: ranks.get(row.scenario, 1)):
        kinds.setdefault(row.device, row.scenario)
    return frozenset(
        i for i, row in enumerate(rows) if is_measured(row) and row.scenario == kinds[row.device]
    )


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
    rows: Sequence[Measurement],
    model: str,
    host_only: Collection[str],
    beside: Measurement | None = None,
) -> Measurement | None:
    """A model's measured PyTorch row. beside: a row of whose device and scenario it has to be."""
    for row in rows:
        fits = row.model == model and row.target in host_only and is_measured(row)
        if fits and (beside is None or _is_alike(row, beside)):
            return row
    return None


def _is_alike(row: Measurement, other: Measurement) -> bool:
    return (row.device, row.scenario) == (other.device, other.scenario)


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


def latency_interval(row: Measurement) -> str:
    """Milliseconds between which another p50 is expected; empty where that is not known."""
    return units.between(row.latency_p50_low, row.latency_p50_high)


def memory_of(row: Measurement, rows: Sequence[Measurement]) -> int | None:
    """What the model takes, where any of the rows tells it apart; else the process's peak."""
    apart = any(each.memory_bytes is not None for each in rows)
    return row.memory_bytes if apart else row.rss_bytes


def as_quick(row: Measurement) -> bool:
    """Whether the paired test saw no difference in latency from the quickest row beside it."""
    p_value = row.latency_p_value if is_shown(row) else None
    return p_value is not None and p_value > SIGNIFICANCE


def pace_p_value(row: Measurement, other: Measurement, rows: Sequence[Measurement]) -> float | None:
    """p of the difference in latency of two rows, None where nothing was tested.

    Each row is tested against the quickest of its device and scenario: two others were not.
    """
    beside = [each for each in rows if is_shown(each) and _is_alike(each, row)]
    quickest = min(beside, key=lambda each: each.latency_p50_ms or 0.0, default=None)
    if not _is_alike(row, other) or quickest is None:
        return None
    if quickest is other:
        return row.latency_p_value
    return other.latency_p_value if quickest is row else None
