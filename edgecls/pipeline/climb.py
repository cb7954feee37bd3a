"""`--max-drop`: the ladder of a target, climbed until the accuracy on validation holds.

First the rungs, cheapest first; then the layers that a diagnosis names go to float, one after the
other; then training for int8. Every step is a stage of the store, so a climb that was stopped goes
on where it was. Test is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgecls.core import Classes, Logits, Precision, Remedies, Rung, Target
from edgecls.device import stats
from edgecls.errors import EdgeclsError, UsageError
from edgecls.pipeline import conversion, quantizing
from edgecls.pipeline.quantizing import Model, Validation
from edgecls.pipeline.workshop import Workshop
from edgecls.quantize.climbing import Climb, Kind, Step, below
from edgecls.quantize.diagnosis import Diagnosis
from edgecls.store import Entry

VALIDATION = "validation"
# Layers that go to float at most; a net that needs more is one for fp32 or training.
MOST_FLOAT = 10


@dataclass
class Ascent:
    """A climb in the making. train: the model trained for int8, None where that is not asked for.

    first: remedies that are tried before the ladder's.
    """

    workshop: Workshop
    model: Model
    target: Target
    validation: Validation
    max_drop: float
    train: Callable[[], Model] | None = None
    first: Remedies | None = None
    steps: list[Step] = field(default_factory=list)
    bundles: list[Entry | None] = field(default_factory=list)
    spent_s: float = 0.0
    evaluations: int = 0
    reference: float = 0.0


def climb(ascent: Ascent) -> tuple[Climb, Entry]:
    """The record, and the bundle that it ended with. Raises EdgeclsError where no step converts."""
    support = ascent.target.quantizing
    if support is None:
        raise UsageError(f"{ascent.target.name} has no ladder of int8", "leave --max-drop out")
    named = _refer(ascent)
    rungs = list(support.ladder)
    if ascent.first is not None:
        rungs.insert(0, Rung("as asked for", ascent.first, "given by the recipe or the command"))
    done = any(_try(ascent, "rung", rung, ascent.model) for rung in rungs)
    diagnosis = None if done else _leave_in_float(ascent)
    if ascent.train is not None and not _holds(ascent):
        _train(ascent, ascent.train)
    chosen = _best(ascent)
    found = Climb(
        target=ascent.target.name,
        max_drop=ascent.max_drop,
        reference=named,
        reference_top1=ascent.reference,
        num_images=len(ascent.validation.images),
        judged=_judged(ascent),
        steps=tuple(ascent.steps),
        chosen=chosen,
        seconds=round(ascent.spent_s, 1),
        num_evaluations=ascent.evaluations,
        diagnosis=diagnosis,
    )
    bundle = ascent.bundles[chosen]
    assert bundle is not None
    return found, conversion.climbed(ascent.workshop, ascent.model.name, bundle, found.summary())


def _runs_here(ascent: Ascent) -> bool:
    return quantizing.runs_here(ascent.target, conversion.purpose_of(ascent.workshop))


def _judged(ascent: Ascent) -> str:
    if _runs_here(ascent):
        return "each bundle by its own runner"
    return "each int8 graph in ONNX Runtime, because the target does not run here as it will there"


def _refer(ascent: Ascent) -> str:
    """The accuracy that steps are compared with: of the target's own fp32 where it runs here."""
    target = ascent.target
    if "fp32" in target.precisions and _runs_here(ascent):
        made = _bundle(ascent, ascent.model, "fp32", None)
        logits, seconds = _answers(ascent, made, "fp32")
        named = f"{target.name} fp32"
    else:
        entry = quantizing.float_answers(ascent.workshop, ascent.model, ascent.validation)
        logits, seconds = conversion.load_logits(entry, [VALIDATION])[VALIDATION], entry.seconds
        named = "the canonical graph in fp32"
    ascent.reference = _top1(logits, ascent.validation.classes)
    ascent.spent_s += seconds
    ascent.evaluations += 1
    return named


def _try(ascent: Ascent, kind: Kind, rung: Rung, model: Model) -> bool:
    """Convert and judge one step; returns whether the bound holds."""
    step = Step(kind, rung.name, rung.reason, rung.remedies.to_json(), 0.0)
    try:
        entry = _bundle(ascent, model, "int8", rung.remedies)
        logits, seconds = _answers(ascent, entry, rung.name, rung.remedies, model)
    except EdgeclsError as error:
        ascent.workshop.events.note(f"{ascent.target.name} int8, {rung.name}: {error.cause}")
        ascent.steps.append(replace(step, error=error.cause))
        ascent.bundles.append(None)
        return False
    ascent.evaluations += 1
    hits = logits.argmax(1) == np.asarray(ascent.validation.classes)
    top1, (low, high) = float(hits.mean()), stats.wilson(int(hits.sum()), len(hits))
    spent = round(entry.seconds + seconds, 1)
    ascent.spent_s += entry.seconds + seconds
    drop = ascent.reference - top1
    step = replace(step, seconds=spent, top1=top1, low=low, high=high, drop=drop)
    ascent.steps.append(step)
    ascent.bundles.append(entry)
    told = f"{below(drop)} fp32 on validation"
    ascent.workshop.events.note(f"{ascent.target.name} int8, {rung.name}: {told}")
    return step.holds(ascent.max_drop)


def _bundle(ascent: Ascent, model: Model, precision: Precision, remedies: Remedies | None) -> Entry:
    return conversion.bundle(
        ascent.workshop, model.name, model.entry, model.graph, ascent.target, precision, remedies
    )


def _answers(
    ascent: Ascent,
    bundle: Entry,
    name: str,
    remedies: Remedies | None = None,
    model: Model | None = None,
) -> tuple[Logits, float]:
    """(logits on validation, seconds), by the bundle's runner or in ONNX Runtime."""
    given, label = ascent.validation, f"{ascent.model.name}: {ascent.target.name} {name}"
    if _runs_here(ascent):
        entry = conversion.scores(
            ascent.workshop, label, bundle.out, Entry(given.key, Path()), {VALIDATION: given.images}
        )
    else:
        assert remedies is not None and model is not None
        entry = quantizing.emulated(ascent.workshop, label, model, ascent.target, remedies, given)
    return conversion.load_logits(entry, [VALIDATION])[VALIDATION], entry.seconds


def _top1(logits: Logits, classes: Classes) -> float:
    return float((logits.argmax(1) == np.asarray(classes)).mean())


def _holds(ascent: Ascent) -> bool:
    return any(step.holds(ascent.max_drop) for step in ascent.steps)


def _best(ascent: Ascent) -> int:
    """The last step where it holds the bound, else the one that lost least, the earlier of two."""
    able = [i for i, step in enumerate(ascent.steps) if step.drop is not None]
    if not able:
        raise EdgeclsError(
            f"no step of the ladder gives an int8 model for {ascent.target.name}: "
            f"{ascent.steps[0].error}",
            "export fp32",
        )
    holding = [i for i in able if ascent.steps[i].holds(ascent.max_drop)]
    return holding[0] if holding else min(able, key=lambda i: ascent.steps[i].drop or 0.0)


def _leave_in_float(ascent: Ascent) -> Diagnosis | None:
    """Layer after layer into float, the costliest first; one that does not help goes back."""
    if not any(step.drop is not None for step in ascent.steps):
        return None
    best = ascent.steps[_best(ascent)]
    remedies, drop = Remedies.from_json(best.remedies), best.drop or 0.0
    diagnosis = quantizing.diagnosed(
        ascent.workshop, ascent.model, ascent.target, remedies, ascent.validation
    )
    ascent.spent_s += diagnosis.seconds
    for each in diagnosis.layers[:MOST_FLOAT]:
        trial = replace(remedies, float_layers=(*remedies.float_layers, each.layer))
        reason = f"costs {each.drop_alone:.2f} points alone"
        if _try(ascent, "float", Rung(f"{each.layer} in float", trial, reason), ascent.model):
            break
        found = ascent.steps[-1].drop
        if found is not None and found <= drop:
            remedies, drop = trial, found
    return diagnosis


def _train(ascent: Ascent, train: Callable[[], Model]) -> None:
    try:
        model = train()
    except EdgeclsError as error:
        step = Step("training", "training for int8", "", Remedies().to_json(), 0.0)
        ascent.steps.append(replace(step, error=error.cause))
        ascent.bundles.append(None)
        return
    ascent.spent_s += model.entry.seconds
    rung = Rung("training for int8", Remedies(), "the net learns to live with its rounding")
    _try(ascent, "training", rung, model)
