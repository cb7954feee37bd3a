"""The recommendation's words: why a row won, why each other row lost, what to relax."""

from __future__ import annotations

from dataclasses import dataclass

from edgecls.core import Measurement
from edgecls.report import scenarios, units
from edgecls.report.limits import Limits, breaches
from edgecls.report.rows import (
    OFFLINE,
    SIGNIFICANCE,
    accuracy,
    is_measured,
    no_difference,
    pace_p_value,
    place,
    reference_row,
    reference_size,
    setback,
    speed_up,
    title,
)
from edgecls.rundir import RunInfo

# The share by which two medians of the same model differ from run to run on a quiet machine.
NOISE = 0.03
_MOST_NAMES = 3

Words = tuple[str, str, str]


@dataclass(frozen=True)
class Case:
    """What there is to decide on.

    index: the recommended row. qualified: all rows that keep the budget.
    """

    rows: tuple[Measurement, ...]
    info: RunInfo
    limits: Limits
    host_only: frozenset[str]
    index: int | None
    qualified: tuple[int, ...]

    @property
    def chosen(self) -> Measurement | None:
        return None if self.index is None else self.rows[self.index]


def winner(case: Case, index: int, by_rule: int | None) -> Words:
    """Headline, evidence and reason for the recommended row."""
    row = case.rows[index]
    evidence = " ".join(
        part for part in (_accuracy(case, row), _speed(case, row), _size(case, row)) if part
    )
    return f"Ship {title(row)}.", evidence, _reason(case, index, by_rule)


def apart(row: Measurement) -> str:
    """For a row whose latencies are of another kind than those that decide."""
    told = scenarios.figures(row)
    if row.scenario == OFFLINE:
        return f"{told} The time of a whole lot is no latency to choose by."
    return f"{told} It is not compared with rows of another scenario."


def elsewhere(row: Measurement) -> str:
    """What to ship to a further device."""
    return f"On {row.device}: {row.name}, {units.milliseconds(row.latency_p50_ms)} (p50)."


def nothing(case: Case, near: int | None, measured: int) -> Words:
    """The same where no row qualifies."""
    if not measured or near is None:
        return (
            "Nothing can be recommended yet.",
            _unserved(case),
            "The table says for each row what stopped it, and what mends it.",
        )
    if case.limits.accuracy is None:
        return (
            "Nothing can be recommended yet.",
            f"The reference model {case.info.reference} has no accuracy on validation,"
            " and the budget is relative to it.",
            "",
        )
    row = case.rows[near]
    found = breaches(row, case.limits)
    evidence = f"Nearest came {title(row)}: {'; '.join(breach.text for breach in found)}."
    settings = [breach.relaxed for breach in found if breach.relaxed]
    advice = f"To accept it, relax the budget: {', '.join(settings)}." if settings else ""
    return "No row keeps the budget.", evidence, advice


def _unserved(case: Case) -> str:
    if any(is_measured(row) and row.scenario == OFFLINE for row in case.rows):
        return "Whole lots alone were measured (offline), which have no latency to choose by."
    return "No row that could be shipped was measured."


def unmeasured(row: Measurement) -> str:
    return _stop(setback(row) or "Not measured: its latency is missing")


def reference(case: Case, row: Measurement) -> str:
    """For a row that is measured here for comparison only."""
    text = f"A reference on {place(row)}, not for shipping"
    if case.chosen is None or (speed := speed_up(case.chosen, row)) is None:
        return f"{text}."
    return f"{text}; {_times_slower(speed)}."


def over_limit(case: Case, row: Measurement) -> str:
    """For a row that breaks the budget: each limit with its excess."""
    text = "; ".join(breach.text for breach in breaches(row, case.limits))
    speed = None if case.chosen is None else speed_up(row, case.chosen)
    if speed is not None and speed > 1 + NOISE:
        return f"{units.ratio(speed)} as fast, but {text}."
    return _stop(text[:1].upper() + text[1:])


def slower(case: Case, row: Measurement) -> str:
    """For a row that keeps the budget and is slower than the recommended one."""
    chosen = case.chosen
    times = None if chosen is None else speed_up(chosen, row)
    if chosen is None or times is None:
        return "Keeps the budget."
    if times < 1:
        return f"Keeps the budget, and is {units.ratio(1 / times)} as fast."
    p_value = pace_p_value(row, chosen, case.rows)
    if p_value is not None and p_value > SIGNIFICANCE:
        return (
            f"Keeps the budget, and no difference in latency was seen ({units.p_value(p_value)});"
            f" its p50 is {_times_slower(times)}, which decides."
        )
    return f"Keeps the budget, but is {_times_slower(times)}."


def larger(case: Case, row: Measurement) -> str:
    """For a row that keeps the budget, is as fast, and lost by its size."""
    chosen = case.chosen
    assert chosen is not None and row.latency_p50_ms and chosen.latency_p50_ms
    apart = abs(1 - row.latency_p50_ms / chosen.latency_p50_ms)
    text = f"Keeps the budget, and {_as_fast(pace_p_value(row, chosen, case.rows), 100 * apart)}"
    if row.size_bytes is None or not chosen.size_bytes or row.size_bytes <= chosen.size_bytes:
        return f"{text}, but no smaller."
    return f"{text}, but {units.ratio(row.size_bytes / chosen.size_bytes)} as large."


def _as_fast(p_value: float | None, apart: float) -> str:
    """How a row within the noise stands to the other. apart: of their p50, in percent."""
    figure = f"p50 {apart:.1f} % apart"
    if p_value is None:
        return f"is as fast within the noise ({figure})"
    told = f"{figure}, {units.p_value(p_value)}"
    if p_value > SIGNIFICANCE:
        return f"no difference in latency was seen ({told})"
    return f"is within the {100 * NOISE:g} % that count as equal ({told}: a difference was seen)"


def is_tied(case: Case, row: Measurement) -> bool:
    """Whether the row is as fast as the recommended one within the noise."""
    times = None if case.chosen is None else speed_up(case.chosen, row)
    return times is not None and 1 / (1 + NOISE) <= times <= 1 + NOISE


def _times_slower(times: float) -> str:
    return f"{units.ratio(times)} slower" if times >= 1 else f"{units.ratio(1 / times)} as fast"


def _accuracy(case: Case, row: Measurement) -> str:
    """Test accuracy where there is one: the choice was not made on it."""
    split, value = "test", accuracy(row, "test")
    if value is None:
        split, value = "validation", accuracy(row, "validation")
    if value is None:
        return ""
    text = f"It gets {units.percent(value.value)} of the {split} images right"
    text += f" (95 % interval {units.interval(value.low, value.high)})"
    if row.model == case.info.reference or row.p_value is None or split != "test":
        return f"{text}."
    base = reference_row(case.rows, case.info.reference, case.host_only)
    if no_difference(row):
        return f"{text}; no difference from {case.info.reference} was seen there."
    if base is None or base.top1 is None:
        return f"{text}."
    return f"{text}, {_against(value.value - base.top1)} {case.info.reference}."


def _against(difference: float) -> str:
    return f"{units.points(difference)} {'below' if difference < 0 else 'above'}"


def _speed(case: Case, row: Measurement) -> str:
    if row.scenario == OFFLINE:
        return scenarios.figures(row)
    text = f"It answers in {units.milliseconds(row.latency_p50_ms)} (p50)"
    names = dict.fromkeys((case.info.reference, case.info.shipped, row.model))
    parts = []
    for name in names:
        base = reference_row(case.rows, name, case.host_only, row)
        times = speed_up(row, base)
        if base is None or times is None:
            continue
        how = (
            f"{units.ratio(times)} as fast as" if times >= 1 else f"{_times_slower(1 / times)} than"
        )
        parts.append(f"{how} {name} in PyTorch ({units.milliseconds(base.latency_p50_ms)})")
    return f"{text}: {' and '.join(parts)}." if parts else f"{text}."


def _size(case: Case, row: Measurement) -> str:
    whole = reference_size(case.info)
    if row.size_bytes is None:
        return ""
    text = f"It takes {units.size(row.size_bytes)}"
    if not whole:
        return f"{text}."
    times = whole / row.size_bytes
    than = f"the fp32 checkpoint of {case.info.reference} ({units.size(whole)})"
    if times >= 1:
        return f"{text}: {units.ratio(times)} smaller than {than}."
    return f"{text}: {units.ratio(1 / times)} as large as {than}."


def _reason(case: Case, index: int, by_rule: int | None) -> str:
    if by_rule != index:
        other = "no row" if by_rule is None else title(case.rows[by_rule])
        return f"It is marked so in results.jsonl; by the budget alone it would be {other}."
    text = f"It is {standing(case, index)}: {budget(case.limits)}."
    return " ".join(part for part in (text, _equals(case, index)) if part)


def _equals(case: Case, index: int) -> str:
    """The rows that keep the budget and were not seen to differ from the winner in latency."""
    names = []
    for i in case.qualified:
        p_value = pace_p_value(case.rows[i], case.rows[index], case.rows)
        if i != index and p_value is not None and p_value > SIGNIFICANCE:
            names.append(title(case.rows[i]))
    if not names:
        return ""
    shown = names[:_MOST_NAMES] + (
        [f"{len(names) - _MOST_NAMES} more"] * (len(names) > _MOST_NAMES)
    )
    listed = " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
    return f"No difference in latency was seen between it and {listed}."


def standing(case: Case, index: int) -> str:
    """What the recommended row is among those that keep the budget."""
    count, p50 = len(case.qualified), case.rows[index].latency_p50_ms or 0
    if count == 1:
        return "the only row that keeps the budget"
    among = f"of the {count} rows that keep the budget"
    if any((case.rows[i].latency_p50_ms or 0) < p50 for i in case.qualified):
        return f"the smallest of the fastest (p50 within {100 * NOISE:g} %) {among}"
    return f"the fastest {among}"


def recommended(case: Case, index: int, by_rule: int | None) -> str:
    """The recommended row's own verdict."""
    if by_rule != index:
        return "Marked as recommended in results.jsonl."
    text = standing(case, index)
    return f"{text[0].upper()}{text[1:]}."


def budget(limits: Limits) -> str:
    """The limits in words."""
    parts = []
    if limits.accuracy is not None and limits.floor is not None:
        drop = f"{100 * limits.budget.max_drop:g}"
        parts.append(
            f"at most {drop} point{'' if drop == '1' else 's'} below the validation accuracy of"
            f" {limits.reference} ({units.percent(limits.accuracy)})"
        )
    if limits.budget.max_latency_ms is not None:
        parts.append(f"at most {limits.budget.max_latency_ms:g} ms at p90")
    if limits.budget.max_size_bytes is not None:
        parts.append(f"at most {units.size_limit(limits.budget.max_size_bytes)}")
    return ", ".join(parts) or "none was set"


def _stop(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
