"""Where the shown row is wrong, and how sure of itself: confusion matrix, classes, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecls.report import units
from edgecls.report.loading import Predictions, Run
from edgecls.report.markup import Html, column, el, foreign, number_cell, prose, table
from edgecls.report.metrics import confusion, most_confused, per_class
from edgecls.report.pictures import worst
from edgecls.report.reliability import reliability
from edgecls.report.rows import title
from edgecls.train.calibration import calibration
from edgecls.train.metrics import TOP, top_k

if TYPE_CHECKING:
    from edgecls.report.metrics import Matrix

# A matrix of more classes than this is no longer read: its largest mistakes are.
MATRIX_CLASSES = 30
PAIRS = 30


def mistakes(run: Run) -> list[Html]:
    """The section's content for the row of `Run.predictions`."""
    shown = run.predictions
    if shown is None:
        return [el("p", "No row's predictions are in the run folder.", class_="muted")]
    matrix = confusion(shown.classes, shown.predicted, len(run.info.labels))
    right, total = int(shown.right.sum()), len(shown.classes)
    about = f"{title(shown.row)} on the {units.plural(total, 'test image')}: {right:,} right,"
    among = ""
    if len(run.info.labels) > TOP:
        share = units.percent(top_k(shown.logits, shown.classes, TOP))
        among = f" The true class is among its five likeliest for {share}."
    parts = [el("p", prose(f"{about} {total - right:,} wrong.{among}"))]
    flips = _flips(run, shown)
    if flips is not None:
        parts.append(flips)
    return [*parts, *classes(run.info.labels, matrix), *worst(run.pictures, run.info.labels)]


def confidence(run: Run) -> list[Html]:
    """The section's content: what the probabilities of the shown row are worth."""
    shown = run.predictions
    if shown is None:
        return [el("p", "No row's predictions are in the run folder.", class_="muted")]
    raw = calibration(shown.logits, shown.classes)
    scaled = calibration(shown.logits, shown.classes, shown.temperature)
    return reliability(raw, scaled)


def classes(labels: Sequence[str], matrix: Matrix) -> list[Html]:
    """Which classes are confused, and the figures of each."""
    where = _matrix(labels, matrix) if len(labels) <= MATRIX_CLASSES else _pairs(labels, matrix)
    return [el("div", where, _classes(labels, matrix), class_="beside")]


def _flips(run: Run, shown: Predictions) -> Html | None:
    """How many images became right or wrong against the reference, where both saw the same."""
    base = run.baseline
    if base is None or base.classes.shape != shown.classes.shape:
        return None
    if (base.classes != shown.classes).any():
        return None
    lost = int((base.right & ~shown.right).sum())
    won = int((~base.right & shown.right).sum())
    both = int((~base.right & ~shown.right).sum())
    name = f"{base.row.model} in PyTorch"
    return el(
        "p",
        prose(
            f"Against {name}, image by image: {lost:,} that it gets right are wrong here,"
            f" {won:,} that it gets wrong are right here, and {both:,} are wrong in both."
        ),
    )


def _matrix(labels: Sequence[str], matrix: Matrix) -> Html:
    """True class by row, answer by column; a cell's shade is its share of the row."""
    sums = matrix.sum(axis=1).tolist()
    head = [el("td", class_="corner")]
    head += [el("th", el("span", foreign(label)), scope="col", title=label) for label in labels]
    lines = []
    for i, counts in enumerate(matrix.tolist()):
        cells = [_cell(count, sums[i], i == j) for j, count in enumerate(counts)]
        lines.append(el("tr", el("th", foreign(labels[i]), scope="row", title=labels[i]), *cells))
    return table(head, lines, "Confusion matrix: true class by row, answer by column", "confusion")


def _cell(count: int, whole: int, hit: bool) -> Html:
    if not count:
        return el("td", "·" if not hit else "0", class_="none")
    share = count / whole
    # Mistakes are few: on the same scale as the hits they would not be seen.
    shade = share if hit else min(1.0, 0.25 + 3 * share)
    kind = ("hit" if hit else "miss") + (" strong" if shade > 0.55 else "")
    return el("td", count, class_=kind, style=f"--v:{shade:.2f}", title=units.percent(share, 1))


def _pairs(labels: Sequence[str], matrix: Matrix) -> Html:
    sums = matrix.sum(axis=1)
    lines = [
        el(
            "tr",
            el("td", foreign(labels[true])),
            el("td", foreign(labels[said])),
            number_cell(f"{count:,}", count),
            number_cell(units.percent(count / int(sums[true]), 1), count / int(sums[true])),
        )
        for true, said, count in most_confused(matrix, PAIRS)
    ]
    head = [
        column("True class", "text"),
        column("Answer", "text"),
        column("Images", "number"),
        column("Share of the class", "number"),
    ]
    caption = f"The classes that are confused most often, of {len(labels):,}"
    return table(head, lines, caption, "sortable plain compact")


def _classes(labels: Sequence[str], matrix: Matrix) -> Html:
    found = list(zip(labels, per_class(matrix), strict=True))
    many = len(found) > MATRIX_CLASSES
    if many:
        found.sort(key=lambda each: 2.0 if each[1].f1 is None else each[1].f1)
    head = [column("Class", "text")]
    head += [column(name, "number") for name in ("Precision", "Recall", "F1", "Test images")]
    lines = [
        el(
            "tr",
            el("th", foreign(label), scope="row"),
            *(
                number_cell(units.percent(value, 1), value)
                for value in (figures.precision, figures.recall, figures.f1)
            ),
            number_cell(f"{figures.support:,}", figures.support),
        )
        for label, figures in found
    ]
    caption = "Every class, lowest F1 first" if many else "Every class"
    return table(head, lines, caption, "sortable plain compact")
