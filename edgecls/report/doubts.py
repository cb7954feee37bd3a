"""What compression cost beside accuracy, as sentences: for the page, Markdown and the terminal."""

from __future__ import annotations

from edgecls.compared import Compared, Comparison, Excess
from edgecls.report import units

# Accuracies are ratios of counts: their differences carry an ulp.
_ULP = 1e-9


def doubts(compared: Compared) -> list[str]:
    """A warning for every model that keeps its accuracy and loses its robustness.

    That is: the loss of accuracy is within the budget, and on corrupted or attacked images it
    loses `max_excess` more than its source does, by more than chance explains.
    """
    found = []
    for each in compared.comparisons:
        if each.paired.difference < -compared.max_drop - _ULP:
            continue
        kinds = [
            (each.corrupted, "corrupted images", _corrupted(each)),
            (each.attacked, "attacked images", _attacked(each)),
        ]
        for excess, what, figures in kinds:
            if is_worse(excess, compared.max_excess):
                assert excess is not None
                found.append(
                    f"{each.model.name} keeps the accuracy of {each.source.name}"
                    f" ({units.signed_points(each.paired.difference)}), but loses"
                    f" {units.points(excess.value, 1)} more on {what}"
                    f" (95 % interval {interval(excess)}){figures}."
                )
    return found


def comparison_lines(compared: Compared | None) -> list[str]:
    """Each comparison in a line, then what is to be said of all."""
    if compared is None:
        return []
    lines = []
    for each in compared.comparisons:
        paired = each.paired
        ends = (f"{100 * end:+.2f}".replace("-", "−") for end in (paired.low, paired.high))
        text = (
            f"against {each.source.name}: {units.signed_points(paired.difference)} of accuracy"
            f" (95 % interval {' to '.join(ends)}, {units.p_value(paired.p_value)}),"
            f" {paired.lost:,} newly wrong, {paired.gained:,} newly right of"
            f" {units.plural(paired.num_images, 'image')}"
        )
        lines.append(text + _corrupted(each).replace(": ", "; corrupted "))
    return [*lines, *(text for text in [summary(compared)] if text)]


def is_worse(excess: Excess | None, limit: float) -> bool:
    """Whether the loss reaches the limit and is more than chance explains."""
    return excess is not None and excess.value >= limit - _ULP and excess.low > 0


def interval(excess: Excess) -> str:
    """Both ends in points, with their signs."""
    ends = (f"{100 * end:+.1f}".replace("-", "−") for end in (excess.low, excess.high))
    return " to ".join(ends)


def summary(compared: Compared) -> str:
    """All of it in one line; empty where there is nothing to compare."""
    if not compared.comparisons:
        return ""
    warned = doubts(compared)
    if warned:
        return " ".join(warned)
    looked = _looked_at(compared)
    if not looked:
        return "Corrupted and attacked images were not looked at."
    lost = [
        each
        for each in compared.comparisons
        if is_worse(each.corrupted, compared.max_excess)
        or is_worse(each.attacked, compared.max_excess)
    ]
    if lost:
        names = ", ".join(f"{each.model.name} against {each.source.name}" for each in lost)
        return f"Accuracy and robustness went together: both were lost by {names}."
    limit = units.points(compared.max_excess, 1)
    return (
        f"No compressed model was seen to lose {limit} more than its source on"
        f" {' or '.join(looked)} images."
    )


def _looked_at(compared: Compared) -> list[str]:
    """The kinds of images that any model was asked about beside its source."""
    kinds = {
        "corrupted": [each.corrupted for each in compared.comparisons],
        "attacked": [each.attacked for each in compared.comparisons],
    }
    return [name for name, found in kinds.items() if any(each is not None for each in found)]


def _corrupted(each: Comparison) -> str:
    before, after = each.source.hardness, each.model.hardness
    if before is None or after is None:
        return ""
    return f": {units.percent(before.mean_corrupted, 1)} → {units.percent(after.mean_corrupted, 1)}"


def _attacked(each: Comparison) -> str:
    before, after = each.source.hardness, each.model.hardness
    if before is None or after is None or not before.attacks or not after.attacks:
        return ""
    means = [
        sum(attack.accuracy for attack in side.attacks) / len(side.attacks)
        for side in (before, after)
    ]
    return f": {units.percent(means[0], 1)} → {units.percent(means[1], 1)}"
