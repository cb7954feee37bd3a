"""The runners-up: what would be shipped next, how far it is from the winner, and why it lost."""

from __future__ import annotations

from dataclasses import dataclass

from edgecls.core import Measurement
from edgecls.report import svg, units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, el, prose
from edgecls.report.palette import colour
from edgecls.report.rows import SIGNIFICANCE, accuracy, pace_p_value

MOST = 3
# Kinds of verdicts: of rows that keep the budget, and of those that do not.
_KEPT, _BROKE = ("slower", "larger"), "limit"


@dataclass(frozen=True)
class Figure:
    """One of a runner-up's figures beside the winner's. standing: better, worse or same."""

    name: str
    text: str
    against: str
    standing: str


def runners(run: Run) -> list[int]:
    """The rows that come next, on the recommended row's device.

    Those that keep the budget, by p50; the last place is for the quickest row that broke it, where
    that is quicker than the winner: somebody will ask for it.
    """
    best = run.recommendation.row
    if best is None:
        return []
    verdicts = run.recommendation.verdicts

    def ranked(kinds: tuple[str, ...]) -> list[int]:
        found = [
            i
            for i, row in enumerate(run.rows)
            if verdicts[i].kind in kinds and row.device == best.device and row.latency_p50_ms
        ]
        return sorted(found, key=lambda i: (run.rows[i].latency_p50_ms or 0.0, i))

    kept, broke = ranked(_KEPT), ranked((_BROKE,))
    quicker = [i for i in broke if (run.rows[i].latency_p50_ms or 0) < (best.latency_p50_ms or 0)]
    asked = quicker[:1] if len(kept) >= MOST else broke[: MOST - len(kept)]
    return kept[: MOST - len(asked)] + asked


def figures(row: Measurement, best: Measurement, is_equal: bool) -> list[Figure]:
    """Accuracy, latency and size against the winner's. is_equal: latencies not seen to differ."""
    found = []
    mine, its = accuracy(row, "validation"), accuracy(best, "validation")
    if mine is not None and its is not None:
        more = mine.value - its.value
        against = units.signed_points(more) if more else "the same"
        shown = units.percent(mine.value)
        found.append(Figure("Validation", shown, against, _standing(more)))
    names = (
        ("p50", "latency_p50_ms", units.milliseconds),
        ("p90", "latency_p90_ms", units.milliseconds),
        ("Size", "size_bytes", units.size),
    )
    for name, field, write in names:
        value, base = getattr(row, field), getattr(best, field)
        if value and base:
            better = 0.0 if name == "p50" and is_equal else base - value
            found.append(Figure(name, write(value), units.change(value, base), _standing(better)))
    return found


def _standing(better: float) -> str:
    return "better" if better > 0 else "worse" if better < 0 else "same"


def cards(run: Run) -> list[Html]:
    """A card for each; empty where there is no winner, or nothing beside it."""
    best, items = run.recommendation.row, []
    if best is None:
        return []
    for i in runners(run):
        row = run.rows[i]
        terms = []
        p_value = pace_p_value(row, best, run.rows)
        for each in figures(row, best, p_value is not None and p_value > SIGNIFICANCE):
            terms += [el("dt", each.name), el("dd", each.text)]
            terms.append(el("dd", each.against, class_=each.standing))
        name = el("a", run.title(i), href=f"#row-{run.first + i}")
        head = el("h3", svg.glyph(row.precision, colour(run, i)), name)
        why = el("p", prose(run.recommendation.verdicts[i].text))
        items.append(el("li", head, el("dl", *terms), why))
    return [el("ol", *items, class_="runners")] if items else []
