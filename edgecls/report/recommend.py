"""Which row to ship, and why every other row lost.

The rule: of the rows that were measured, are not a reference of this machine, and keep the
budget (validation accuracy, p90, size), the one with the lowest p50. Rows whose p50 is within
`NOISE` of the lowest are taken as equally fast, and of those the smallest wins. Test accuracy has
no part in it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from edgecls.core import Measurement
from edgecls.report import sentences
from edgecls.report.limits import Limits, breaches, limits_of
from edgecls.report.rows import is_shown
from edgecls.report.sentences import NOISE, Case
from edgecls.rundir import RunInfo

HOST_ONLY = ("torch",)

Kind = Literal["recommended", "slower", "larger", "limit", "reference", "unmeasured"]


@dataclass(frozen=True)
class Verdict:
    """What became of one row. text: a sentence in plain language."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Recommendation:
    """The outcome for all rows. verdicts: one for each row, in the rows' order.

    index: the recommended row's, None where no row qualifies. headline, evidence, reason: the
    answer, its figures, and why it won (or how to get an answer). nearest: where nothing
    qualifies, the row that would need the smallest change of the budget.
    """

    rows: tuple[Measurement, ...]
    index: int | None
    headline: str
    evidence: str
    reason: str
    verdicts: tuple[Verdict, ...]
    nearest: int | None = None

    @property
    def row(self) -> Measurement | None:
        return None if self.index is None else self.rows[self.index]

    @property
    def sentence(self) -> str:
        """All of it, as one paragraph."""
        return " ".join(part for part in (self.headline, self.evidence, self.reason) if part)

    def marked(self) -> list[Measurement]:
        """The rows with ``recommended`` set on the one, and on no other."""
        return [row.with_(recommended=i == self.index) for i, row in enumerate(self.rows)]


def recommend(
    rows: Sequence[Measurement], info: RunInfo, host_only: Collection[str] = HOST_ONLY
) -> Recommendation:
    """The recommendation by the rule, whatever the rows' ``recommended`` says."""
    return _recommendation(rows, info, host_only, trusted=None)


def explain(
    rows: Sequence[Measurement], info: RunInfo, host_only: Collection[str] = HOST_ONLY
) -> Recommendation:
    """The recommendation as the rows' ``recommended`` has it; by the rule where none is set."""
    flagged = next((i for i, row in enumerate(rows) if row.recommended), None)
    return _recommendation(rows, info, host_only, trusted=flagged)


def _recommendation(
    rows: Sequence[Measurement],
    info: RunInfo,
    host_only: Collection[str],
    trusted: int | None,
) -> Recommendation:
    limits = limits_of(rows, info, host_only)
    candidates = [i for i, row in enumerate(rows) if is_shown(row) and row.target not in host_only]
    qualified = [i for i in candidates if not breaches(rows[i], limits)]
    by_rule = _fastest(rows, qualified)
    index = by_rule if trusted is None else trusted
    case = Case(tuple(rows), info, limits, frozenset(host_only), index, tuple(qualified))
    verdicts = tuple(_verdict(case, i, by_rule) for i in range(len(rows)))
    if index is None:
        near = _nearest(rows, candidates, limits)
        words = sentences.nothing(case, near, len(candidates))
        return Recommendation(tuple(rows), None, *words, verdicts, near)
    words = sentences.winner(case, index, by_rule)
    return Recommendation(tuple(rows), index, *words, verdicts)


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
    if not is_shown(row):
        return Verdict("unmeasured", sentences.unmeasured(row))
    if row.target in case.host_only:
        return Verdict("reference", sentences.reference(case, row))
    if breaches(row, case.limits):
        return Verdict("limit", sentences.over_limit(case, row))
    if sentences.is_tied(case, row):
        return Verdict("larger", sentences.larger(case, row))
    return Verdict("slower", sentences.slower(case, row))
