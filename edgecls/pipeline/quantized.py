"""`edgecls quantize`: a checkpoint to int8 with remedies, diagnosed, or climbed to a bound."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecls import data as datas
from edgecls import methods, targets
from edgecls.core import Dataset, Precision, Purpose, Remedies, Target
from edgecls.device.meta import sha256
from edgecls.errors import EdgeclsError, UsageError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import JSON
from edgecls.pipeline import conversion, places, quantizing
from edgecls.pipeline.climb import Ascent, climb
from edgecls.pipeline.events import Events
from edgecls.pipeline.nets import Net, check_order, trains_for
from edgecls.pipeline.quantizing import Model, Validation
from edgecls.pipeline.single import export, named
from edgecls.pipeline.subject import as_trained
from edgecls.pipeline.workshop import Workshop
from edgecls.quantize.climbing import Climb
from edgecls.quantize.diagnosis import Diagnosis
from edgecls.recipe import Recipe, validated
from edgecls.rundir import write_text
from edgecls.store import Entry, Store

CLIMB = "climb.json"
TRAINING = "qat"


@dataclass(frozen=True)
class Made:
    """What a run has made when it converts. graphs: None where the export failed."""

    workshop: Workshop
    models: Mapping[str, Entry]
    graphs: Mapping[str, Entry | None]
    data: Entry
    dataset: Dataset


def bundled(
    made: Made, name: str, target: Target, precision: Precision
) -> tuple[Entry, Climb | None]:
    """A run's bundle of one model: int8 as the recipe asks, climbed to where it gives a bound."""
    workshop, model, graph = made.workshop, made.models[name], made.graphs[name]
    section = workshop.recipe.quantize
    if precision != "int8" or checkpoints.load(model.out).is_quantized:
        return conversion.bundle(workshop, name, model, graph, target, precision), None
    if section.max_drop is None or target.quantizing is None or graph is None:
        asked = quantizing.remedies(section, target)
        return conversion.bundle(workshop, name, model, graph, target, precision, asked), None
    ascent = ascent_of(workshop, Model(name, model, graph), target, made.data, made.dataset)
    found, entry = climb(ascent)
    if not found.met:
        workshop.events.note(f"warning: {target.name} int8: {found.verdict}")
    return entry, found


@dataclass(frozen=True)
class Wish:
    """What is to be quantized and how; remedies and machine are of the recipe's sections."""

    checkpoint: Path
    target: str
    precision: Precision = "int8"


def check(recipe: Recipe, diagnosed: bool) -> None:
    """Raises UsageError for what the recipe asks for beside, or without, what it is of.

    diagnosed: whether a diagnosis is asked for instead of a bundle.
    """
    section = recipe.quantize
    bounded, labelled = section.max_drop is not None, is_labelled(recipe)
    if diagnosed and bounded:
        raise UsageError("--diagnose and --max-drop are two commands", "run one after the other")
    if bounded and not labelled:
        raise UsageError("--max-drop is judged on validation images", "name them with --data")
    if labelled and not (bounded or diagnosed):
        raise UsageError(
            "--data has no effect: the ranges are of the checkpoint's own training images",
            "leave it out, or judge on it with --max-drop or --diagnose",
        )
    if "qat" in section.model_fields_set and not bounded:
        raise UsageError(
            "--qat and --no-qat have no effect: they are of the climb's end", "add --max-drop"
        )


def is_labelled(recipe: Recipe) -> bool:
    """Whether images with labels were named; a recipe that names none means the digits."""
    return "path" in recipe.data.model_fields_set


def convert(wish: Wish, recipe: Recipe, out: Path, force: bool) -> Path:
    """Write the bundle to `out`. Raises ConversionError."""
    target = _target(wish)
    remedies = quantizing.remedies(recipe.quantize, target)
    if remedies is not None and wish.precision != "int8":
        raise UsageError(
            f"remedies are of int8, and {wish.precision} is asked for", "leave them out"
        )
    purpose = Purpose(recipe.export.profile)
    return export(wish.checkpoint, wish.target, wish.precision, out, force, remedies, purpose)


def diagnose(wish: Wish, recipe: Recipe, out: Path, events: Events) -> Diagnosis:
    """Say what each layer costs, and write it to the file `out`.

    It is judged by accuracy on validation of the images that the recipe names; where it names none,
    by agreement with the float net on the checkpoint's own calibration images, of training.
    """
    from edgecls.quantize.diagnose import Judges
    from edgecls.quantize.diagnose import diagnose as run

    target = _target(wish)
    if wish.precision != "int8":
        raise UsageError(f"--diagnose is of int8, not {wish.precision}", "leave --precision out")
    remedies = quantizing.remedies(recipe.quantize, target) or _own(target)
    found = checkpoints.load(wish.checkpoint)
    _refuse_trained(found)
    calibration = found.calibration()
    if is_labelled(recipe):
        places.check(recipe.data.path, out)
        workshop, model, data, dataset = opened(wish, recipe, out.parent / ".store", events)
        given = validation(data, dataset)
        diagnosis = quantizing.diagnosed(workshop, model, target, remedies, given)
    else:
        with tempfile.TemporaryDirectory() as scratch, events.stage("diagnosis") as progress:
            source = CheckpointSource(wish.checkpoint, Path(scratch) / "model.onnx")
            purpose = Purpose(recipe.export.profile)
            task = quantizing.task_of(source.onnx(), target, remedies, purpose)
            chosen = calibration[quantizing.spread(len(calibration))]
            judges = Judges("the checkpoint's calibration images", chosen)
            diagnosis = run(task, judges, calibration, progress)
    diagnosis.write(out)
    return diagnosis


def climbed(wish: Wish, recipe: Recipe, out: Path, events: Events, force: bool) -> Climb:
    """Climb the target's ladder to the recipe's bound and write the bundle to `out`.

    The record goes beside it, as ``<out>.climb.json``. A bound that no step holds is no error
    here: the best bundle is written, and the record says so.
    """
    target, max_drop = _target(wish), recipe.quantize.max_drop
    assert max_drop is not None
    if wish.precision != "int8":
        raise UsageError(f"--max-drop is of int8, not {wish.precision}", "leave --precision out")
    places.check(recipe.data.path, out)
    places.free(out, force, [wish.checkpoint])
    _check_record(record_of(out), force)
    _refuse_trained(checkpoints.load(wish.checkpoint))
    quantizing.remedies(recipe.quantize, target)  # wrong ones are told before the work
    workshop, model, data, dataset = opened(wish, recipe, out.parent / ".store", events)
    ascent = ascent_of(workshop, model, target, data, dataset)
    found, entry = climb(ascent)
    places.place(out, lambda part: shutil.copytree(entry.out, part, dirs_exist_ok=True))
    write_text(record_of(out), found.to_json())
    return found


def record_of(out: Path) -> Path:
    """Where the record of a climb lies: beside the bundle, which has no file of its own for it."""
    return out.with_name(f"{out.name}.{CLIMB}")


def _check_record(path: Path, force: bool) -> None:
    """Raises UsageError unless the record may be written there; `force` replaces ours alone."""
    if not os.path.lexists(path):
        return
    if not force:
        raise UsageError(
            f"{path} exists already, where the record of the climb would go",
            "choose another folder with --out, or add --force",
        )
    try:
        Climb.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, EdgeclsError) as error:
        raise UsageError(
            f"{path} is no record of a climb, and --force replaces nothing else",
            "choose another folder with --out",
        ) from error


def ascent_of(
    workshop: Workshop, model: Model, target: Target, data: Entry, dataset: Dataset
) -> Ascent:
    """A climb with what the recipe asks for: its bound, its remedies, training at its end."""
    section = workshop.recipe.quantize
    assert section.max_drop is not None
    able = section.qat and TRAINING in methods.names()
    return Ascent(
        workshop=workshop,
        model=model,
        target=target,
        validation=validation(data, dataset),
        max_drop=section.max_drop,
        train=(lambda: trained(workshop, model, data, dataset)) if able else None,
        first=quantizing.remedies(section, target),
    )


def validation(data: Entry, dataset: Dataset) -> Validation:
    images, classes = dataset["validation"]
    return Validation(images, np.asarray(classes), data.key)


def trained(
    workshop: Workshop, model: Model, data: Entry, dataset: Dataset, **asked: object
) -> Model:
    """The model trained for int8, a stage of the store. asked: other options than its own."""
    method = methods.get(TRAINING)
    options = validated(method.Options, {"model": model.name, **asked}, TRAINING)
    net = Net(f"{model.name}-{TRAINING}", method, options, {"model": model.name})
    assert trains_for(method) == "int8"
    check_order(method, {"model": checkpoints.load(model.entry.out)})
    entry = workshop.model(net, {"model": model.entry}, data, dataset)
    return Model(model.name, entry, conversion.graph(workshop, net.name, entry))


def opened(
    wish: Wish, recipe: Recipe, store: Path, events: Events
) -> tuple[Workshop, Model, Entry, Dataset]:
    """The checkpoint of a wish with its graph, and the images split as for its training.

    Raises UsageError where the images are of other classes.
    """
    found = checkpoints.load(wish.checkpoint)
    workshop = Workshop(Store(store), as_trained(recipe, found.provenance), events)
    images, listing = workshop.listed()
    if tuple(listing.labels) != found.labels:
        raise UsageError(
            f"the classes of {recipe.data.path} are not those of {wish.checkpoint}",
            "give the images that it was trained on",
        )
    data = workshop.data(images, workshop.fingerprint(listing), found.preprocess)
    entry = Entry(sha256(str(found.folder / JSON)), found.folder)
    name = named(wish.checkpoint)
    model = Model(name, entry, conversion.graph(workshop, name, entry))
    return workshop, model, data, datas.load(data.out, listing.root)


def _target(wish: Wish) -> Target:
    target = targets.get(wish.target)
    if wish.precision not in target.precisions:
        raise UsageError(
            f"{target.name} has no {wish.precision}", f"valid: {', '.join(target.precisions)}"
        )
    return target


def _own(target: Target) -> Remedies:
    if target.quantizing is None:
        raise UsageError(f"{target.name} has no int8 to diagnose", "choose another target")
    return target.quantizing.remedies


def _refuse_trained(found: checkpoints.Checkpoint) -> None:
    if found.is_quantized:
        raise UsageError(
            f"{found.folder} was trained for int8: its ranges are its own",
            "export it as it is, or start from the model that it was trained from",
        )
