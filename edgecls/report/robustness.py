"""Compressed models against their sources: the table of all, and accuracy on changed images."""

from __future__ import annotations

from collections.abc import Sequence

from edgecls.compared import Attacked, Compared, Comparison, Hardness, Side
from edgecls.report import units
from edgecls.report.doubts import interval, is_worse
from edgecls.report.markup import Html, column, el, foreign, join, number_cell, prose, table
from edgecls.report.rows import SIGNIFICANCE

_HEAD = (
    ("Model", "text", "What was made, and by which step"),
    ("Against", "text", "What it was made from, or the run's reference"),
    ("Accuracy", "number", "Difference on the test images; 95 % interval (Newcombe 1998)"),
    ("Paired test", "number", "McNemar's p-value, corrected for the number of lines (Holm)"),
    ("Newly wrong", "number", "Images that the source gets right and the model does not"),
    ("Newly right", "number", "Images that the model gets right and the source does not"),
    ("ECE", "number", "Gap between confidence and accuracy, at each one's own temperature"),
    ("Corrupted", "number", "Mean accuracy on corrupted images"),
    ("Loses more", "number", "How much more than its source; 95 % interval over images"),
)


def overview(compared: Compared) -> Html:
    """A line for each comparison."""
    head = [column(name, sort, about) for name, sort, about in _HEAD]
    lines = [_line(each, compared.max_excess) for each in compared.comparisons]
    return table(head, lines, "Every compressed model against its source", "sortable plain pairs")


def _line(each: Comparison, limit: float) -> Html:
    paired = each.paired
    seen = paired.p_value <= SIGNIFICANCE
    sure = units.p_value(paired.p_value)
    return el(
        "tr",
        el("th", foreign(each.model.name), el("small", each.step), scope="row"),
        el("td", foreign(each.source.name)),
        number_cell(
            units.signed_points(paired.difference),
            paired.difference,
            f"{_points(paired.low)} to {_points(paired.high)}",
        ),
        number_cell(sure, paired.p_value, "a difference" if seen else "no difference seen"),
        number_cell(f"{paired.lost:,}", paired.lost, _of(paired.num_images)),
        number_cell(f"{paired.gained:,}", paired.gained, _of(paired.num_images)),
        number_cell(
            units.percent(each.model.ece), each.model.ece, f"was {units.percent(each.source.ece)}"
        ),
        _mean(each),
        _excess(each, limit),
    )


def _points(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


def _of(count: int) -> str:
    return f"of {count:,}"


def _mean(each: Comparison) -> Html:
    before, after = each.source.hardness, each.model.hardness
    if before is None or after is None or after.mean_corrupted is None:
        return number_cell(units.ABSENT, None)
    was = f"was {units.percent(before.mean_corrupted, 1)}"
    return number_cell(units.percent(after.mean_corrupted, 1), after.mean_corrupted, was)


def _excess(each: Comparison, limit: float) -> Html:
    """On corrupted images; of a loss under attack where that is beyond the limit."""
    corrupted, attacked = each.corrupted, each.attacked
    worse = is_worse(corrupted, limit) or is_worse(attacked, limit)
    mark = el("span", "less robust", class_="badge warned") if worse else None
    text, ends = units.ABSENT, None
    if corrupted is not None:
        text = units.points(corrupted.value, 1) if corrupted.value > 0 else "no more"
        ends = el("small", interval(corrupted))
    under = None
    if attacked is not None and is_worse(attacked, limit):
        lost = f"{units.points(attacked.value, 1)} if attacked"
        under = join([el("small", lost), el("small", interval(attacked))])
    value = "" if corrupted is None else repr(float(corrupted.value))
    return el("td", text, ends, under, mark, class_="number", data_v=value)


def hardness_table(compared: Compared) -> Html | None:
    """Accuracy on changed images, a line for each model; None where none was asked."""
    sides: dict[str, Side] = {}
    for each in compared.comparisons:
        for side in (each.source, each.model):
            if side.hardness is not None:
                sides.setdefault(side.name, side)
    if not sides:
        return None
    found = [side.hardness for side in sides.values() if side.hardness is not None]
    corruptions = list(dict.fromkeys(name for each in found for name in each.corrupted))
    attacks = {attack.label: attack for each in found for attack in each.attacks}
    head = [column("Model", "text"), column("Unchanged", "number")]
    head += [column(_words(name), "number") for name in corruptions]
    if corruptions:
        head.append(column("Mean", "number", "Over all corruptions and severities"))
    head += [column(_title(attack), "number", _explained(attack)) for attack in attacks.values()]
    lines = [
        _hardness(name, side.hardness, corruptions, list(attacks))
        for name, side in sides.items()
        if side.hardness is not None
    ]
    count = units.plural(found[0].num_images, "test image")
    caption = f"Accuracy on {count}, unchanged, corrupted and attacked"
    return table(head, lines, caption, "sortable plain heat")


def _hardness(
    name: str, found: Hardness, corruptions: Sequence[str], attacks: Sequence[str]
) -> Html:
    cells = [number_cell(units.percent(found.clean, 1), found.clean)]
    for corruption in corruptions:
        values = found.corrupted.get(corruption, ())
        mean = sum(values) / len(values) if values else None
        cells.append(shaded(mean, found.clean))
    if corruptions:
        cells.append(shaded(found.mean_corrupted, found.clean))
    own = {attack.label: attack for attack in found.attacks}
    for label in attacks:
        attack = own.get(label)
        if attack is None:
            cells.append(number_cell(units.ABSENT, None))
            continue
        note = "transferred" if attack.crafted_on else ""
        cells.append(shaded(attack.accuracy, attack.clean, note))
    return el("tr", el("th", foreign(name), scope="row"), *cells)


def shaded(value: float | None, clean: float, note: str = "") -> Html:
    """An accuracy; its cell is the darker, the more of the accuracy on unchanged images is lost."""
    if value is None:
        return number_cell(units.ABSENT, None)
    lost = min(1.0, max(0.0, clean - value) / max(clean, 1e-9))
    small = el("small", note) if note else None
    return el(
        "td",
        units.percent(value, 1),
        small,
        class_="number",
        data_v=repr(float(value)),
        style=f"--v:{lost:.2f}",
    )


def severities(each: Comparison) -> Html | None:
    """Corruption by severity: the model's accuracy, and how far it is from its source's."""
    before, after = each.source.hardness, each.model.hardness
    if before is None or after is None or not after.corrupted:
        return None
    head = [column("Corruption", "text")]
    head += [column(f"Severity {number}", "number") for number in after.severities]
    lines = []
    for name, values in after.corrupted.items():
        others = before.corrupted.get(name, values)
        cells = [
            shaded(value, after.clean, f"{_points(value - other)} points")
            for value, other in zip(values, others, strict=True)
        ]
        lines.append(el("tr", el("th", _words(name), scope="row"), *cells))
    caption = "Accuracy by severity, and its difference from the source's"
    return table(head, lines, caption, "plain heat")


def how(compared: Compared) -> Html:
    """What was done to the images, and how to read it."""
    attacks = [a for each in compared.comparisons for a in _attacks(each)]
    text = (
        f"The pictures are changed after they were preprocessed, with the strengths of"
        f" {compared.constants} (Hendrycks and Dietterich 2019). "
    )
    if attacks:
        text += (
            "Attacks change every value by at most so many steps of 1/255, along the gradient of"
            " the checkpoint itself (white box); a converted model has no gradient and gets the"
            " pictures that were made for its checkpoint (transferred), which may be weaker. "
        )
    text += "A shade is the share of the accuracy on unchanged images that is lost."
    return el("p", prose(text), class_="muted")


def _attacks(each: Comparison) -> tuple[Attacked, ...]:
    return each.model.hardness.attacks if each.model.hardness is not None else ()


def _words(name: str) -> str:
    text = name.replace("-", " ")
    return "JPEG" if name == "jpeg" else text[0].upper() + text[1:]


def _title(attack: Attacked) -> str:
    return f"{attack.label.split('-')[0].upper()} {attack.eps}/255"


def _explained(attack: Attacked) -> str:
    steps = units.plural(attack.steps, "step")
    return f"{steps}, on {units.plural(attack.num_images, 'image')}"
