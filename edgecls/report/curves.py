"""Training curves: one figure a model, accuracy over loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecls.report import svg, units
from edgecls.report.contact import contact
from edgecls.report.loading import Run
from edgecls.report.markup import Html, el

WIDTH, HEIGHT = 520, 300
_LEFT, _RIGHT = 52, 14
_PANELS = ((26, 142), (172, 268))

Epochs = Sequence[Mapping[str, Any]]
Series = list[tuple[float, float]]


def curves(run: Run) -> list[Html]:
    """A figure for each model that was trained, and a sentence on those that were not."""
    parts = [_figure(name, epochs) for name, epochs in run.curves.items() if epochs]
    missing = [model.name for model in run.info.models if not run.curves.get(model.name)]
    content: list[Html] = []
    if parts:
        content.append(el("div", *parts, class_="figures"))
    if missing:
        content.append(el("p", f"No curves: {', '.join(missing)}.", class_="muted"))
    return content + _augmented(run)


def _augmented(run: Run) -> list[Html]:
    """The augmented images, once for all models that share them."""
    content: list[Html] = []
    for jpeg in dict.fromkeys(run.augmented.values()):
        models = [model for model in run.info.models if run.augmented.get(model.name) == jpeg]
        names = ", ".join(model.name for model in models)
        text = (
            "Each image as it is, then as the training sees it. A wrong augmentation shows here:"
            " a mirrored letter, a subject cut off."
        )
        if any(models[0].options.get(name) for name in ("mixup", "cutmix")):
            text += " Images and their labels are mixed: parts of other classes belong here."
        content.append(el("h3", f"Augmented training images: {names}"))
        content.append(el("p", text, class_="muted"))
        content.append(contact(jpeg, models[0].augmented))
    return content


def _figure(name: str, epochs: Epochs) -> Html:
    accuracy = _series(epochs, "val_top1")
    train, validation = _series(epochs, "train_loss"), _series(epochs, "val_loss")
    last = max((x for x, _ in accuracy + train + validation), default=1.0)
    first = min((x for x, _ in accuracy + train + validation), default=0.0)
    x = svg.Axis(first, max(last, first + 1), _LEFT, WIDTH - _RIGHT)
    parts = _panel(x, _PANELS[0], "Top-1 on validation", [("", "accuracy", accuracy)], share=True)
    parts += _panel(
        x,
        _PANELS[1],
        "Loss",
        [("train", "train", train), ("validation", "validation", validation)],
        share=False,
    )
    parts.append(svg.text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 2, "Epoch", "title middle"))
    for tick in x.ticks():
        if tick == int(tick):
            parts.append(svg.text(x(tick), _PANELS[1][1] + 15, f"{tick:g}", "tick middle"))
    best = max(accuracy, key=lambda point: point[1], default=None)
    note = (
        ""
        if best is None
        else f"best {units.percent(best[1])} on validation, epoch {best[0]:g} of {last:g}"
    )
    drawing = svg.figure(WIDTH, HEIGHT, f"Training of {name}: {note}", parts, "curves")
    return el("figure", el("figcaption", el("b", name), " ", el("small", note)), drawing)


def _panel(
    x: svg.Axis,
    span: tuple[int, int],
    title: str,
    lines: Sequence[tuple[str, str, Series]],
    share: bool,
) -> list[Html]:
    """One pair of axes with its lines. share: the values are fractions of 1."""
    values = [value for _, _, series in lines for _, value in series]
    top, low = span
    parts = [svg.text(_LEFT, top - 9, title, "title")]
    if not values:
        return [*parts, svg.text(_LEFT + 8, (top + low) / 2, "not recorded", "tick")]
    margin = 0.06 * (max(values) - min(values)) or 0.01
    y = svg.Axis(min(values) - margin, max(values) + margin, low, top)
    for tick in svg.linear_ticks(y.low, y.high, 4):
        if not (share and tick > 1):
            parts.append(svg.line(_LEFT, y(tick), WIDTH - _RIGHT, y(tick), "grid"))
            label = f"{100 * tick:.6g} %" if share else f"{tick:g}"
            parts.append(svg.text(_LEFT - 7, y(tick) + 4, label, "tick end"))
    parts.append(svg.line(_LEFT, low, WIDTH - _RIGHT, low, "axis"))
    for _, kind, series in lines:
        parts += _line([(x(at), y(value)) for at, value in series], kind)
    return parts + _key([(name, kind) for name, kind, series in lines if name and series], top)


def _line(points: Series, kind: str) -> list[Html]:
    """A line; a dot where there is only one epoch."""
    if len(points) == 1:
        return [svg.marker("fp32", points[0][0], points[0][1], f"dot {kind}", 3)]
    return [svg.path(points, f"curve {kind}")]


def _key(names: Sequence[tuple[str, str]], top: int) -> list[Html]:
    """Which line is which, at the panel's upper right."""
    parts: list[Html] = []
    right = WIDTH - _RIGHT
    for name, kind in reversed(names):
        parts.append(svg.text(right, top - 9, name, "tick end"))
        right -= round(5.7 * len(name)) + 8
        parts.append(svg.line(right - 18, top - 13, right, top - 13, f"curve {kind}"))
        right -= 32
    return parts


def _series(epochs: Epochs, key: str) -> Series:
    """(epoch, value) of the epochs that have this figure."""
    found = []
    for i, epoch in enumerate(epochs):
        at, value = epoch.get("epoch", i + 1), epoch.get(key)
        if isinstance(at, (int, float)) and isinstance(value, (int, float)) and units.known(value):
            found.append((float(at), float(value)))
    return found
