"""Numbers as people read them: three significant digits, units, intervals.

Sizes are decimal (1 kB = 1000 B). `ABSENT` stands where there is no figure.
"""

from __future__ import annotations

import math
from datetime import datetime

ABSENT = "—"
# strftime's names of months depend on the locale.
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def known(value: float | None) -> bool:
    """Whether there is a finite figure."""
    return value is not None and math.isfinite(value)


def finite(value: float | None, otherwise: float) -> float:
    """The figure, or another one where there is none."""
    return otherwise if value is None or not math.isfinite(value) else value


def significant(value: float, digits: int = 3) -> str:
    """Fixed notation with so many significant digits, thousands set apart."""
    value = float(f"{value:.{digits}g}")
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def milliseconds(value: float | None) -> str:
    return ABSENT if value is None or not known(value) else f"{significant(value)} ms"


def between(low: float | None, high: float | None) -> str:
    """The ends of an interval, without the unit; empty where there is none."""
    if low is None or high is None or not known(low) or not known(high):
        return ""
    return f"{significant(low)}–{significant(high)}"


def millijoules(value: float | None) -> str:
    return ABSENT if value is None or not known(value) else f"{significant(value)} mJ"


def percent(share: float | None, decimals: int = 2) -> str:
    """A fraction of 1 in percent."""
    return ABSENT if share is None or not known(share) else f"{100 * share:.{decimals}f} %"


def interval(low: float | None, high: float | None) -> str:
    """The ends of an interval of fractions of 1, in percent; empty where there is none."""
    if low is None or high is None:
        return ""
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def points(difference: float, decimals: int = 2) -> str:
    """A difference of two fractions of 1, in percentage points, without its sign."""
    text = f"{abs(100 * difference):.{decimals}f}"
    return f"{text} point" if float(text) == 1 else f"{text} points"


def signed_points(difference: float) -> str:
    """The same with its sign."""
    sign = "+" if difference > 0 else "−" if difference < 0 else "±"
    return sign + points(difference)


def size(count: float | None) -> str:
    """Bytes as B, kB, MB or GB."""
    if count is None:
        return ABSENT
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        # 999,950 B rounds to 1.00 MB, not to 1,000 kB.
        if count >= scale * 0.9995:
            return f"{significant(count / scale)} {unit}"
    return f"{count:.0f} B"


def size_limit(count: float) -> str:
    """A size that somebody has set: 2 MB, not 2.00 MB."""
    number, unit = size(count).split(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def ratio(value: float) -> str:
    """How many times, such as ``5.6×``."""
    return f"{significant(value, 3 if value < 2 else 2)}×"


def change(value: float, base: float) -> str:
    """A figure against another: in percent, and how many times where it is twice or more."""
    times = value / base
    if times >= 2:
        return ratio(times)
    text = f"{100 * abs(times - 1):.1f}" if abs(times - 1) < 0.1 else f"{100 * abs(times - 1):.0f}"
    return "the same" if not float(text) else f"{'+' if times > 1 else '−'}{text} %"


def magnitude(count: float | None) -> str:
    """A count with k, M or G, such as 12.5 M."""
    if count is None:
        return ABSENT
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= scale * 0.9995:
            return f"{significant(count / scale)} {unit}"
    return f"{count:.0f}"


def integer(count: int | None) -> str:
    return ABSENT if count is None else f"{count:,}"


def duration(seconds: float) -> str:
    """Such as ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def p_value(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {significant(value, 2)}"


def moment(stamp: str) -> str:
    """An ISO 8601 time for people, such as ``14 July 2026, 09:12 UTC``; else as it is."""
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    zone = when.tzname() or ""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} {zone}".strip()


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 image, 12 images, 3 classes, 4 queries."""
    if count != 1 and noun.endswith("y"):
        return f"{count:,} {noun[:-1]}ies"
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"
