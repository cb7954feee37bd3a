"""report.svg: the plot as a picture of its own, for a README.

It stands on a card of its own colour, so that it can be read on a light page and on a dark one;
where the reader's browser says that it is dark, the card is too.
"""

from __future__ import annotations

from edgecls.report import svg
from edgecls.report.hints import SPLITS
from edgecls.report.loading import Run
from edgecls.report.markup import Html, el
from edgecls.report.palette import colours
from edgecls.report.points import HEIGHT, WIDTH
from edgecls.report.rows import is_shown
from edgecls.report.scatter import still

_MARGIN, _TITLE, _LEGEND = 14, 34, 30
_SPACE = "http://www.w3.org/2000/svg"
_LETTER, _GAP = 6.6, 18
_COLOURS = {
    "light": {
        "card": "#ffffff",
        "line": "#e2e3df",
        "faint": "#eeefec",
        "ink": "#1b2024",
        "muted": "#59636c",
        "accent": "#0a6b5f",
        "soft": "#e4f2ef",
        "warn": "#8a5200",
        "c0": "#2a62b8",
        "c1": "#c2560c",
        "c2": "#7b46b4",
        "c3": "#1d8551",
        "c4": "#b52f7c",
        "c5": "#866a00",
        "c6": "#0b8397",
        "c7": "#9c3b34",
        "ref": "#6d757c",
    },
    "dark": {
        "card": "#191d20",
        "line": "#2d3338",
        "faint": "#22272b",
        "ink": "#e6e9eb",
        "muted": "#9ba5ae",
        "accent": "#54c7b3",
        "soft": "#15302c",
        "warn": "#e6b35c",
        "c0": "#74a8f5",
        "c1": "#f09a54",
        "c2": "#bd94ec",
        "c3": "#5fca8e",
        "c4": "#ee84bb",
        "c5": "#d9bb4a",
        "c6": "#4fc3d6",
        "c7": "#ef8e86",
        "ref": "#98a1a9",
    },
}


def picture(run: Run) -> str | None:
    """The SVG document; None where no row has both figures."""
    split = next((split for split in SPLITS if still(run, split)), None)
    if split is None:
        return None
    wide, high = WIDTH + 2 * _MARGIN, HEIGHT + _TITLE + _LEGEND + _MARGIN
    card = el("rect", x=0.5, y=0.5, width=wide - 1, height=high - 1, rx=10, class_="card")
    head = svg.text(_MARGIN + 6, 26, f"{run.info.name}: accuracy and latency", "head")
    plot = el("g", *still(run, split), transform=f"translate({_MARGIN} {_TITLE})")
    drawn = el(
        "svg",
        el("title", run.recommendation.headline),
        el("style", Html(_style())),
        *(card, head, plot, _legend(run, _TITLE + HEIGHT + _LEGEND / 2)),
        xmlns=_SPACE,
        viewBox=f"0 0 {wide} {high}",
        width=wide,
        height=high,
        role="img",
        aria_label=run.recommendation.headline,
    )
    return f"{drawn}\n"


def _legend(run: Run, y: float) -> Html:
    """Targets by colour, then precisions by shape, in one line."""
    shown = [row for row in run.rows if is_shown(row)]
    targets = {row.target for row in shown}
    precisions = sorted({row.precision for row in shown}, reverse=True)
    items = [(name, "fp32", kind) for name, kind in colours(run).items() if name in targets]
    items += [(name, name, "plain") for name in precisions]
    parts, x = list[Html](), float(_MARGIN + 66)
    for name, shape, kind in items:
        parts.append(svg.marker(shape, x, y, f"mark {kind}"))
        parts.append(svg.text(x + 10, y + 4, name, "tick"))
        x += 10 + _LETTER * len(name) + _GAP
    return el("g", *parts)


def _style() -> str:
    rules = _rules(_COLOURS["light"])
    return f"{rules}\n@media (prefers-color-scheme: dark) {{\n{_rules(_COLOURS['dark'])}\n}}\n"


def _rules(c: dict[str, str]) -> str:
    """Plain rules without variables, which not every program that shows SVG knows."""
    kinds = [name for name in c if name[:1] == "c" and name[1:].isdigit()]
    around = "paint-order: stroke; stroke-width: 4px;"
    rules = [
        *((f".{name}", f"color: {c[name]};") for name in kinds),
        (".ref, .plain", f"color: {c['ref']};"),
        (".card", f"fill: {c['card']}; stroke: {c['line']};"),
        ("text", f"font: 12px system-ui, Roboto, Arial, sans-serif; fill: {c['ink']};"),
        (".head", "font-size: 15px; font-weight: 650;"),
        (".tick, .title", f"fill: {c['muted']};"),
        (".end", "text-anchor: end;"),
        (".middle", "text-anchor: middle;"),
        (".grid", f"stroke: {c['faint']};"),
        (".axis", f"stroke: {c['muted']};"),
        (".front", f"stroke: {c['accent']}; stroke-width: 1.5; stroke-opacity: .55; fill: none;"),
        (".limit", f"stroke: {c['warn']}; stroke-dasharray: 5 4; stroke-width: 1.2;"),
        (".limit-text", f"fill: {c['warn']}; font-size: 11.5px;"),
        (".label, .limit-text", f"stroke: {c['card']}; {around}"),
        (".chosen", "font-weight: 650;"),
        (".halo", f"fill: {c['soft']}; stroke: {c['accent']}; stroke-width: 1.5;"),
        (".whisker", "stroke: currentColor; stroke-opacity: .42; stroke-width: 1.4; fill: none;"),
        (".mark", f"fill: currentColor; stroke: {c['card']}; stroke-width: 1.2;"),
        (".mark.ref", f"fill: {c['card']}; stroke: currentColor; stroke-width: 1.6;"),
    ]
    return "\n".join(f"{name} {{ {rule} }}" for name, rule in rules)
