"""The top of the page: what to ship, why, and its figures."""

from __future__ import annotations

from edgecls.core import Measurement
from edgecls.report import flags, units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, el, prose
from edgecls.report.recommend import HOST_ONLY
from edgecls.report.rows import accuracy, latency_interval, reference_row, reference_size, speed_up


def hero(run: Run) -> list[Html]:
    """The recommendation, its four figures, what to do next, and what the folder lacks."""
    found = run.recommendation
    words = [
        el("p", "Recommendation", class_="eyebrow"),
        el("h2", found.headline, id="recommendation"),
        el("p", prose(found.evidence), class_="evidence") if found.evidence else None,
        el("p", prose(found.reason), class_="reason") if found.reason else None,
        *(el("p", prose(text), class_="evidence") for text in found.elsewhere),
    ]
    row = found.row
    if row is not None:
        words.append(flags.badges(row, "p", "evidence"))
        words.append(el("ul", *_tiles(run, row), class_="tiles"))
        words.append(_next(row))
    parts = [el("div", *words, class_="hero" if row is not None else "hero none")]
    if run.problems:
        items = [el("li", problem) for problem in run.problems]
        title = el("strong", "Parts of the run folder could not be read")
        parts.append(el("div", title, el("ul", *items), class_="notice", role="note"))
    return parts


def _tiles(run: Run, row: Measurement) -> list[Html]:
    tiles = [_accuracy(row), _latency(row), _speed(run, row), _size(run, row)]
    return [tile for tile in tiles if tile is not None]


def tile(name: str, figure: str, note: str) -> Html:
    """A figure in large letters, an item of a list of ``tiles``."""
    return el(
        "li", el("span", name, class_="name"), el("b", prose(figure)), el("small", prose(note))
    )


def _accuracy(row: Measurement) -> Html | None:
    for split, found in (
        ("test", accuracy(row, "test")),
        ("validation", accuracy(row, "validation")),
    ):
        if found is not None:
            note = f"95 % interval {units.interval(found.low, found.high)}"
            return tile(f"Top-1 on {split}", units.percent(found.value), note)
    return None


def _latency(row: Measurement) -> Html:
    known = [
        f"{name} {units.milliseconds(value)}"
        for name, value in (("p90", row.latency_p90_ms), ("p99", row.latency_p99_ms))
        if value is not None
    ]
    between = latency_interval(row)
    note = ", ".join([*([f"95 % interval {between} ms"] if between else []), *known])
    return tile("Latency, p50", units.milliseconds(row.latency_p50_ms), note)


def _speed(run: Run, row: Measurement) -> Html | None:
    base = reference_row(run.rows, run.info.reference, HOST_ONLY, row)
    times = speed_up(row, base)
    if times is None:
        return None
    return tile("Speed", units.ratio(times), f"as fast as {run.info.reference} in PyTorch")


def _size(run: Run, row: Measurement) -> Html | None:
    whole = reference_size(run.info)
    if not row.size_bytes:
        return None
    note = ""
    if whole and whole > row.size_bytes:
        note = f"{units.ratio(whole / row.size_bytes)} smaller than {run.info.reference} in fp32"
    return tile("Size", units.size(row.size_bytes), note)


def _next(row: Measurement) -> Html | None:
    if not row.bundle:
        return None
    return el(
        "p",
        "Copy the folder ",
        el("code", row.bundle),
        " to the device; its README.md says how to check and run it there.",
        class_="next",
    )
