"""Int8 in the pipeline: whose remedies, a diagnosis, and a graph that stands for a device."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecls import hardware, targets
from edgecls.core import Classes, Images, Progress, Purpose, Remedies, Target
from edgecls.errors import UsageError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints
from edgecls.pipeline.conversion import purpose_of
from edgecls.pipeline.package import faithful, machine_of
from edgecls.pipeline.workshop import Workshop, inputs_of
from edgecls.quantize.diagnosis import NAME, Diagnosis
from edgecls.recipe import QuantizeSection
from edgecls.store import Entry

if TYPE_CHECKING:
    from edgecls.quantize.diagnose import Task

# A diagnosis evaluates every layer twice: more images cost more than they tell.
MOST_JUDGES = 512


@dataclass(frozen=True)
class Model:
    """A checkpoint with its canonical graph. name: in the run."""

    name: str
    entry: Entry
    graph: Entry


@dataclass(frozen=True)
class Validation:
    """The images that decide. key: of what they are, for the store."""

    images: Images
    classes: Classes
    key: str


def remedies(section: QuantizeSection, target: Target) -> Remedies | None:
    """The target's own remedies with what was asked for; None where nothing was."""
    asked = {
        name: value
        for name in ("ranges", "percentile", "bias_correction", "equalise", "smooth_quant")
        if (value := getattr(section, name)) is not None
    }
    if section.float_layers:
        asked["float_layers"] = tuple(section.float_layers)
    if not asked:
        return None
    if target.quantizing is None:
        raise UsageError(f"{target.name} has no remedies of int8", "choose another target")
    if "smooth_quant" in asked and not target.quantizing.smooth_quant:
        raise UsageError(
            f"{target.name} has no SmoothQuant ({', '.join(_with_smooth_quant())} have it)",
            "take --equalise instead, or another target",
        )
    own = target.quantizing.remedies
    if "percentile" in asked and asked.get("ranges", "percentile") != "percentile":
        raise UsageError("percentile is of ranges = percentile", "leave one of the two out")
    if "percentile" in asked:
        asked["ranges"] = "percentile"
    return replace(own, **asked)


def _with_smooth_quant() -> list[str]:
    each = {name: targets.get(name).quantizing for name in targets.names()}
    return [name for name, made in each.items() if made is not None and made.smooth_quant]


def runs_here(target: Target, purpose: Purpose) -> bool:
    """Whether the target's own runner tells here what int8 costs on the machine it is for."""
    scheme = target.scheme(machine_of(target, purpose))
    return faithful(target, "int8", scheme).status == "ok"


def emulated(
    workshop: Workshop,
    label: str,
    model: Model,
    target: Target,
    remedies: Remedies,
    given: Validation,
) -> Entry:
    """The logits of the int8 graph in ONNX Runtime, for a target that does not run here."""
    purpose = purpose_of(workshop)
    inputs = _inputs("emulated", model, target, given, purpose, remedies=remedies.to_json())

    def build(out: Path, work: Path, progress: Progress) -> None:
        from edgecls.quantize import ptq, running

        source = CheckpointSource(model.entry.out, model.graph.out / "model.onnx")
        scheme = target.scheme(machine_of(target, purpose))
        trained = source.quantized(scheme)
        if trained is not None:
            import onnx

            graph = onnx.load(trained)
        else:
            task = task_of(source.onnx(), target, remedies, purpose)
            calibration = checkpoints.load(model.entry.out).calibration()
            subject = ptq.subject(task.graph, calibration, remedies)
            graph = ptq.quantized(subject, task.scheme, task.placement, remedies)
        # In float where the products of 8 bits would overflow here.
        exact = not scheme.reduce_range and hardware.saturates(hardware.here())
        logits = running.logits(graph, given.images, exact)
        np.save(out / "validation.npy", logits, allow_pickle=False)

    return workshop.make(f"{label}: emulated", inputs, build)


def float_answers(workshop: Workshop, model: Model, given: Validation) -> Entry:
    """The canonical graph's logits on validation."""
    inputs = inputs_of(
        "emulated", packages=("onnxruntime",), graph=model.graph.key, images=given.key
    )

    def build(out: Path, work: Path, progress: Progress) -> None:
        from edgecls.graph import run

        logits = run(model.graph.out / "model.onnx", given.images)
        np.save(out / "validation.npy", logits, allow_pickle=False)

    return workshop.make(f"{model.name}: answers in fp32", inputs, build)


def diagnosed(
    workshop: Workshop,
    model: Model,
    target: Target,
    remedies: Remedies,
    given: Validation,
) -> Diagnosis:
    """The diagnosis of int8 on labelled images, kept in the store."""
    from edgecls.quantize.diagnose import Judges, diagnose

    purpose = purpose_of(workshop)
    about = {"remedies": remedies.to_json(), "version": 2}
    inputs = _inputs("diagnosis", model, target, given, purpose, **about)
    chosen = spread(len(given.images))
    judges = Judges("validation", given.images[chosen], np.asarray(given.classes)[chosen])
    calibration = checkpoints.load(model.entry.out).calibration()

    def build(out: Path, work: Path, progress: Progress) -> None:
        task = task_of(model.graph.out / "model.onnx", target, remedies, purpose)
        diagnose(task, judges, calibration, progress).write(out / NAME)

    entry = workshop.make(f"{model.name}: {target.name} diagnosis", inputs, build)
    return Diagnosis.from_json(json.loads((entry.out / NAME).read_text(encoding="utf-8")))


def spread(count: int) -> Any:
    """So many rows at even distances: a split may be sorted by class."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_JUDGES)).astype(np.int64))


def task_of(graph: Path, target: Target, remedies: Remedies, purpose: Purpose) -> Task:
    from edgecls.quantize.diagnose import Task

    if target.quantizing is None:
        raise UsageError(f"{target.name} has no int8 to diagnose", "choose another target")
    # SmoothQuant is the other tool's; what stands for its graph here is without.
    given = replace(remedies, smooth_quant=None)
    scheme = target.scheme(machine_of(target, purpose))
    made = target.quantizing
    return Task(target.name, graph, scheme, made.placement, given, made.variants)


def _inputs(
    stage: str, model: Model, target: Target, given: Validation, purpose: Purpose, **more: Any
) -> Any:
    return inputs_of(
        stage,
        packages=("edgecls", "onnxruntime", "onnx"),
        model=model.entry.key,
        graph=model.graph.key,
        target=[target.name, target.version],
        scheme=target.scheme(machine_of(target, purpose)).to_json(),
        hardware=hardware.here().to_json(),
        images=given.key,
        **more,
    )
