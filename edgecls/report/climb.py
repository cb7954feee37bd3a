"""How int8 came to its accuracy: the climb of the ladder, and what each layer costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecls.quantize.climbing import Climb, below
from edgecls.quantize.diagnosis import Diagnosis, LayerCost
from edgecls.report import units
from edgecls.report.loading import Run
from edgecls.report.markup import Html, column, el, number_cell, prose, table

if TYPE_CHECKING:
    from rich.table import Table

# Of a diagnosis, the costliest layers; the file has them all.
_MOST_LAYERS = 30
STEPS = ("Step", "Why", "Validation", "95 % interval", "Against fp32", "Time", "")
_LAYERS = (
    *("Layer", "Kind", "Output dB", "Weights dB", "Input dB"),
    *("Lost alone", "Back without it", "Divergence alone", "Divergence without it"),
)


def climbs(run: Run) -> list[Html]:
    """A table of steps for each row that was climbed to; empty where none was."""
    parts: list[Html] = []
    for name, climb in run.climbs.items():
        parts += [el("h3", name), el("p", prose(climb.verdict + "."))]
        if not climb.met:
            text = "Warning: the bound does not hold; what is shipped is the best that was found."
            parts.append(el("p", prose(text), class_="warning"))
        parts.append(_steps(climb))
        parts.append(el("p", prose(cost(climb)), class_="muted"))
        if climb.diagnosis is not None:
            parts.append(el("details", el("summary", "What each layer costs"), _layers(climb)))
    return parts


def cost(climb: Climb) -> str:
    """What the climb took, and how its steps were judged."""
    count = f"{units.plural(climb.num_evaluations, 'evaluation')} of {climb.num_images:,} images"
    return f"{count}, {units.duration(climb.seconds)} in all; judged was {climb.judged}."


def _steps(climb: Climb) -> Html:
    head = [column(name) for name in STEPS]
    lines = [
        el("tr", el("th", step.name, scope="row"), *(el("td", cell) for cell in cells(climb, i)))
        for i, step in enumerate(climb.steps)
    ]
    return table(head, lines, "Steps of the climb", "plain compact untitled")


def cells(climb: Climb, index: int) -> list[str]:
    """A step's cells under `STEPS`, but for its name."""
    step = climb.steps[index]
    mark = "shipped" if index == climb.chosen else ""
    if step.top1 is None or step.low is None or step.high is None or step.drop is None:
        return [step.reason, units.ABSENT, "", "", "", f"failed: {step.error}"]
    held = "holds" if step.holds(climb.max_drop) else ""
    return [
        step.reason,
        units.percent(step.top1),
        units.interval(step.low, step.high),
        below(step.drop),
        units.duration(step.seconds),
        ", ".join(filter(None, (held, mark))),
    ]


def _layers(climb: Climb) -> Html:
    found = climb.diagnosis
    assert found is not None
    head = [column(name, "number" if i > 1 else "text") for i, name in enumerate(_LAYERS)]
    lines = [_layer(each) for each in found.layers[:_MOST_LAYERS]]
    caption = f"The costliest layers, on {found.num_images:,} images ({found.emulated})"
    return table(head, lines, caption, "sortable plain compact")


def _layer(each: LayerCost) -> Html:
    cells = [el("td", each.kind)]
    for value, text in zip(_values(each), _texts(each), strict=True):
        cells.append(number_cell(text, value))
    return el("tr", el("th", each.layer, scope="row"), *cells)


def _values(each: LayerCost) -> list[float | None]:
    return [
        *(each.output_db, each.weights_db, each.input_db),
        *(each.drop_alone, each.gain_without),
        *(each.divergence_alone, each.divergence_without),
    ]


def _texts(each: LayerCost) -> list[str]:
    decibels = [each.output_db, each.weights_db, each.input_db]
    return [
        *(units.ABSENT if value is None else f"{value:.0f}" for value in decibels),
        *(f"{value:.2f}" for value in (each.drop_alone, each.gain_without)),
        *(f"{value:.2g}" for value in (each.divergence_alone, each.divergence_without)),
    ]


def climb_table(climb: Climb) -> Table:
    """The steps in the terminal; the one that is shipped is marked."""
    from rich.text import Text

    shown = _plain_table(STEPS, left=2)
    for i, step in enumerate(climb.steps):
        style = "bold green" if i == climb.chosen else "dim" if step.error else ""
        shown.add_row(*(Text(cell) for cell in (step.name, *cells(climb, i))), style=style)
    return shown


def diagnosis_table(found: Diagnosis) -> Table:
    """The layers in the terminal, the costliest first; those worth naming are marked."""
    from rich.text import Text

    shown = _plain_table(_LAYERS, left=2)
    named = {each.layer for each in found.culprits()}
    for each in found.layers:
        cells = [each.layer, each.kind, *_texts(each)]
        style = "bold red" if each.layer in named else ""
        shown.add_row(*(Text(cell) for cell in cells), style=style)
    float_, int8 = units.percent(found.float_accuracy), units.percent(found.int8_accuracy)
    shown.caption = Text(
        f"{found.judged} on {found.num_images} images ({found.images}): {float_} in float,"
        f" {int8} in int8; points of it, and divergence in nats. {found.emulated}.",
        "dim",
    )
    shown.caption_justify = "left"
    return shown


def _plain_table(names: tuple[str, ...], left: int) -> Table:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for i, name in enumerate(names):
        if i < left:
            shown.add_column(name, overflow="fold")
        else:
            shown.add_column(name, justify="right", overflow="fold")
    return shown
