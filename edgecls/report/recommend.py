"""Which row to ship, and why every other row lost.

The rule: of the rows that were measured, are not a reference of this machine, and keep the
budget (validation accuracy, p90, size), the one with the lowest p50. Rows whose p50 is within
`NOISE` of the lowest are taken as equally fast, and of those the smallest wins. Test accuracy has
no part in it.

Latencies of two devices are never compared: each device has a recommendation of its own. Nor are
those of two scenarios: single stream decides where it was measured. A bundle that was measured on
a device has the validation accuracy that the same bundle has elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgecls.core import Measurement
from edgecls.report import sentences, worth
from edgecls.report.limits import Limits, breaches, limits_of
from edgecls.report.rows import (
    HOST,
    OFFLINE,
    comparable,
    is_measured,
    is_shown,
    scored_bundles,
    with_accuracy,
)
from edgecls.report.sentences import NOISE, Case
from edgecls.rundir import RunInfo

HOST_ONLY = ("torch",)

Kind = Literal[
    "recommended", "slower", "larger", "limit", "reference", "apart", "unjudged", "unmeasured"
]


@dataclass(frozen=True)
class Verdict:
    """What became of one row. text: a sentence in plain language."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Recommendation:
    """The outcome for all rows. verdicts: one for each row, in the rows' order.

    index: the recommended row's on the first device that has one, which is this machine where it
    has; None where no row qualifies. headline, evidence, reason: the answer, its figures, and why
    it won (or how to get an answer). nearest: where nothing qualifies, the row that would need the
    smallest change of the budget. others: the recommended rows of further devices.
    """

    rows: tuple[Measurement, ...]
    index: int | None
    headline: str
    evidence: str
    reason: str
    verdicts: tuple[Verdict, ...]
    nearest: int | None = None
    others: tuple[int, ...] = ()

    @property
    def row(self) -> Measurement | None:
        return None if self.index is None else self.rows[self.index]

    @property
    def chosen(self) -> frozenset[int]:
        """The recommended row of each device that has one."""
        return frozenset(self.others if self.index is None else (self.index, *self.others))

    @property
    def sentence(self) -> str:
        """All of it, as one paragraph."""
        parts = (self.headline, self.evidence, self.reason, *self.elsewhere)
        return " ".join(part for part in parts if part)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """What to ship to each further device, a sentence each."""
        return tuple(sentences.elsewhere(self.rows[i]) for i in self.others)

    def marked(self) -> list[Measurement]:
        """The rows with ``recommended`` set on the one of each device, and on no other."""
        return [row.with_(recommended=i in self.chosen) for i, row in enumerate(self.rows)]


def recommend(
    rows: Sequence[Measurement],
    info: RunInfo,
    host_only: Collection[str] = HOST_ONLY,
    hosts: Collection[str] = (HOST,),
) -> Recommendation:
    """The recommendation by the rule, whatever the rows' ``recommended`` says.

    hosts: the devices that are machines which convert; several where runs are compared.
    """
    return _recommendation(rows, info, host_only, hosts, trusted={})


def explain(
    rows: Sequence[Measurement], info: RunInfo, host_only: Collection[str] = HOST_ONLY
) -> Recommendation:
    """The recommendation as the rows' ``recommended`` has it; by the rule where none is set."""
    flagged: dict[str, int] = {}
    for i, row in enumerate(rows):
        if row.recommended:
            flagged.setdefault(row.device, i)
    return _recommendation(rows, info, host_only, (HOST,), trusted=flagged)


@dataclass(frozen=True)
class _Device:
    """The choice among the rows of one device."""

    case: Case
    by_rule: int | None
    candidates: tuple[int, ...]


def _recommendation(
    rows: Sequence[Measurement],
    info: RunInfo,
    host_only: Collection[str],
    hosts: Collection[str],
    trusted: Mapping[str, int],
) -> Recommendation:
    """trusted: the row that is marked as recommended, of each device that has one."""
    scored = scored_bundles(rows)
    judged = [with_accuracy(row, scored) for row in rows]
    limits = limits_of(judged, info, host_only)
    names = sorted(dict.fromkeys(row.device for row in rows), key=lambda name: name != HOST)
    whole = Case(tuple(judged), info, limits, frozenset(host_only), None, ())
    devices = {name: _device(whole, name, trusted.get(name)) for name in names or [HOST]}
    remarks = worth.remarks(rows, hosts)
    verdicts = tuple(
        _and_remark(_verdict(devices[row.device].case, i, devices[row.device].by_rule), remark)
        for i, (row, remark) in enumerate(zip(rows, remarks, strict=True))
    )
    indices = [each.case.index for each in devices.values() if each.case.index is not None]
    if not indices:
        candidates = [i for each in devices.values() for i in each.candidates]
        near = _nearest(judged, candidates, limits)
        words = sentences.nothing(whole, near, len(candidates))
        return Recommendation(tuple(rows), None, *words, verdicts, near)
    first = devices[rows[indices[0]].device]
    words = sentences.winner(first.case, indices[0], first.by_rule)
    return Recommendation(tuple(rows), indices[0], *words, verdicts, others=tuple(indices[1:]))


def _device(whole: Case, name: str, trusted: int | None) -> _Device:
    """The choice on one device. trusted: the row that is marked there, if one is."""
    alike = comparable(whole.rows)
    candidates = tuple(
        i
        for i, row in enumerate(whole.rows)
        if i in alike and row.device == name and is_shown(row) and row.target not in whole.host_only
    )
    qualified = tuple(i for i in candidates if not breaches(whole.rows[i], whole.limits))
    by_rule = _fastest(whole.rows, qualified)
    index = by_rule if trusted is None else trusted
    return _Device(replace(whole, index=index, qualified=qualified), by_rule, candidates)


def _and_remark(verdict: Verdict, remark: str) -> Verdict:
    return replace(verdict, text=f"{verdict.text} {remark}") if remark else verdict


def _fastest(rows: Sequence[Measurement], qualified: Sequence[int]) -> int | None:
    if not qualified:
        return None
    latency = {i: float(rows[i].latency_p50_ms or 0) for i in qualified}
    bound = min(latency.values()) * (1 + NOISE)
    tied = [i for i in qualified if latency[i] <= bound]
    return min(tied, key=lambda i: (_size(rows[i]), latency[i], i))


def _size(row: Measurement) -> float:
    return float("inf") if row.size_bytes is None else row.size_bytes


def _nearest(rows: Sequence[Measurement], candidates: Sequence[int], limits: Limits) -> int | None:
    """The row for which no limit would have to grow by much; for equals the fastest."""

    def distance(i: int) -> tuple[float, float]:
        shares = (breach.share for breach in breaches(rows[i], limits))
        return max(shares, default=0.0), float(rows[i].latency_p50_ms or 0)

    return min(candidates, key=distance, default=None)


def _verdict(case: Case, i: int, by_rule: int | None) -> Verdict:
    row = case.rows[i]
    if i == case.index:
        return Verdict("recommended", sentences.recommended(case, i, by_rule))
    if is_measured(row) and (row.scenario == OFFLINE or i not in comparable(case.rows)):
        return Verdict("apart", sentences.apart(row))
    if not is_shown(row):
        return Verdict("unmeasured", sentences.unmeasured(row))
    if row.target in case.host_only:
        return Verdict("reference", sentences.reference(case, row))
    if breaches(row, case.limits):
        return Verdict("limit", sentences.over_limit(case, row))
    if sentences.is_tied(case, row):
        return Verdict("larger", sentences.larger(case, row))
    return Verdict("slower", sentences.slower(case, row))
