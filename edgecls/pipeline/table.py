"""The rows of a run: which model goes to which target in which precision, and how each fares."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecls import data as datas
from edgecls.bench import accuracy
from edgecls.bench.protocol import Protocol, Samples
from edgecls.bench.rows import measured
from edgecls.core import (
    DONE,
    Classes,
    Dataset,
    Images,
    Logits,
    Measurement,
    Outcome,
    Precision,
    Scheme,
    Target,
)
from edgecls.device import meta
from edgecls.device.meta import bundle_sha256
from edgecls.errors import EdgeclsError, UsageError
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import AUGMENTED, AUGMENTED_PICTURE, CURVES
from edgecls.pipeline import conversion, mistakes, package, raw
from edgecls.pipeline.nets import Net, trains_for
from edgecls.pipeline.package import faithful, unsuited
from edgecls.pipeline.quantized import Made, bundled
from edgecls.pipeline.workshop import Workshop, scored
from edgecls.recipe import ExportSection
from edgecls.rundir import ModelInfo, add_arrays, add_file
from edgecls.store import Entry, link

SPLITS = ("validation", "test")


@dataclass(frozen=True)
class Job:
    """One row to come. bundle: its name in the run's ``bundles``."""

    model: str
    target: Target
    precision: Precision
    bundle: str

    @property
    def label(self) -> str:
        return f"{self.model}: {self.target.name} {self.precision}"


@dataclass
class Candidate:
    """A row in the making. entry: its bundle; runs: here; logits: what it answered."""

    job: Job
    row: Measurement
    entry: Entry | None = None
    runs: Outcome = DONE
    logits: Mapping[str, Logits] = field(default_factory=dict)
    samples: Samples = field(default_factory=Samples)


def jobs(
    nets: Sequence[Net],
    ship: str,
    reference: str,
    targets: Sequence[Target],
    section: ExportSection,
) -> tuple[Job, ...]:
    """The model that ships in everything that was asked; the others once, where it runs here.

    Raises UsageError where that is nothing.
    """
    found = []
    for net in nets:
        for target in targets:
            for precision in target.precisions:
                if precision not in section.precisions:
                    continue
                if net.name == ship:
                    bundle = f"{target.name}-{precision}"
                elif precision == _native(net, target) and _worth_comparing(
                    net.name, reference, target
                ):
                    bundle = f"{net.name}/{target.name}-{precision}"
                else:
                    continue
                found.append(Job(net.name, target, precision, bundle))
    if not found:
        raise UsageError(
            f"there is nothing to export: no target has {' or '.join(section.precisions)}",
            "; ".join(f"{t.name} has {', '.join(t.precisions)}" for t in targets),
        )
    return tuple(found)


def _native(net: Net, target: Target) -> Precision:
    """What a model is compared in: fp32, or int8 where it was trained for that."""
    return "fp32" if target.host_only else trains_for(net.method)


def _worth_comparing(model: str, reference: str, target: Target) -> bool:
    """The reference stands beside the shipped model wherever it runs; others once."""
    if target.availability().run.status != "ok":
        return False
    return model == reference or not target.host_only


def fill(
    workshop: Workshop,
    wanted: Sequence[Job],
    models: Mapping[str, Entry],
    data: Entry,
    dataset: Dataset,
    reference: str,
    out: Path,
) -> list[Measurement]:
    """Convert, score and measure every job; a job that fails is a row that says so.

    reference: the model that every row's accuracy is compared with.
    """
    images, classes = scored(dataset)
    graphs = {name: _graph(workshop, name, entry) for name, entry in models.items()}
    answers = {
        name: conversion.load_logits(
            conversion.answers(workshop, name, entry, data, images), SPLITS
        )
        for name, entry in models.items()
    }
    made = Made(workshop, models, graphs, data, dataset)
    candidates = [_convert(made, job, out) for job in wanted]
    for candidate in candidates:
        _score(workshop, candidate, data, images, classes, answers[candidate.job.model])
    _measure(workshop, [c for c in candidates if c.logits])
    test = datas.describe(data.out)["splits"]["test"]
    hashes = b"".join(bytes.fromhex(image["sha256"]) for image in test)
    shown = _Shown(dataset, [image["path"] for image in test], hashes, out)
    rows = [_with_predictions(each, shown, models[each.job.model]) for each in candidates]
    logits = [candidate.logits for candidate in candidates]
    return accuracy.with_significance(rows, logits, answers[reference], classes)


def _graph(workshop: Workshop, name: str, model: Entry) -> Entry | None:
    """A model's canonical graph; without one, only the targets that need it fail."""
    try:
        return conversion.graph(workshop, name, model)
    except EdgeclsError as error:
        workshop.events.note(f"{name}: {error.cause}")
        return None


def _convert(made: Made, job: Job, out: Path) -> Candidate:
    model = made.models[job.model]
    checkpoint = checkpoints.load(model.out)
    row = Measurement(
        model=job.model,
        target=job.target.name,
        precision=job.precision,
        converted="skipped",
        compiled="skipped",
        measured="skipped",
        macs=checkpoint.macs,
        num_params=checkpoint.num_params,
    )
    can = job.target.availability().convert
    if can.status != "ok":
        return Candidate(job, row.with_(reason=can.reason, fix=can.fix))
    suits = unsuited(checkpoint, job.target, job.precision)
    if suits.status != "ok":
        return Candidate(job, row.with_(reason=suits.reason, fix=suits.fix))
    try:
        entry, climbed = bundled(made, job.model, job.target, job.precision)
    except EdgeclsError as error:
        failed = row.with_(converted="failed", reason=error.cause, fix=error.fix)
        made.workshop.events.note(f"{job.label}: {error.cause}")
        return Candidate(job, failed)
    if climbed is not None:
        row = row.with_(files={"climb": add_file(out, climbed.to_json().encode(), "json")})
    bundle = out / "bundles" / job.bundle
    link(bundle, entry.out)
    described = meta.read(str(entry.out))
    scheme = Scheme.from_json(described.scheme) if described.scheme else None
    runs = faithful(job.target, job.precision, scheme)
    return Candidate(job, _converted(row, job, entry, described, runs), entry, runs)


def _converted(
    row: Measurement, job: Job, entry: Entry, described: meta.Meta, runs: Outcome
) -> Measurement:
    outcome = json.loads((entry.folder / "outcome.json").read_text(encoding="utf-8"))
    compiled = Outcome(**outcome["compiled"])
    told = runs if runs.status != "ok" else compiled
    return row.with_(
        **package.described(described),
        converted="ok",
        compiled=compiled.status,
        reason=told.reason,
        fix=told.fix,
        size_bytes=outcome["size_bytes"],
        bundle=f"bundles/{job.bundle}",
        bundle_sha256=bundle_sha256(str(entry.out)),
    )


def _score(
    workshop: Workshop,
    candidate: Candidate,
    data: Entry,
    images: Mapping[str, Images],
    classes: Mapping[str, Classes],
    reference: Mapping[str, Logits],
) -> None:
    job = candidate.job
    if candidate.entry is None or candidate.runs.status != "ok":
        return
    try:
        entry = conversion.scores(workshop, job.label, candidate.entry.out, data, images)
        logits = conversion.load_logits(entry, SPLITS)
        candidate.row = accuracy.with_accuracy(candidate.row, logits, reference, classes)
        candidate.logits = logits
    except EdgeclsError as error:
        workshop.events.note(f"{job.label}: {error.cause}")
        candidate.row = candidate.row.with_(measured="failed", reason=error.cause, fix=error.fix)


def _measure(workshop: Workshop, candidates: Sequence[Candidate]) -> None:
    protocol = Protocol.of(workshop.recipe.bench)
    bundles = [candidate.entry.out for candidate in candidates if candidate.entry]
    if not bundles:
        return
    found = conversion.samples(workshop, bundles, protocol)
    rows = measured([candidate.row for candidate in candidates], found, protocol)
    for candidate, row, samples in zip(candidates, rows, found, strict=True):
        candidate.row, candidate.samples = row, samples


@dataclass(frozen=True)
class _Shown:
    """What the side files are made from. files, hashes: of the test split's images.

    hashes: the sha256 of each file's content, one after the other.
    """

    dataset: Dataset
    files: Sequence[str]
    hashes: bytes
    out: Path


def _with_predictions(candidate: Candidate, shown: _Shown, model: Entry) -> Measurement:
    """The row with its side files kept in the run folder."""
    if not candidate.logits:
        return candidate.row
    samples, dataset = candidate.samples, shown.dataset
    images, classes = dataset["test"]
    files = {
        "predictions": add_arrays(
            shown.out,
            {
                "val_classes": np.asarray(dataset["validation"][1]),
                "val_logits": candidate.logits["validation"],
                "test_classes": np.asarray(classes),
                "test_logits": candidate.logits["test"],
                "test_images": np.frombuffer(shown.hashes, np.uint8).reshape(-1, 32),
            },
        ),
        "mistakes": mistakes.keep(
            shown.out,
            mistakes.worst(
                shown.out,
                candidate.logits["test"],
                classes,
                images,
                shown.files,
                checkpoints.load(model.out).temperature,
                dataset.preprocess,
            ),
        ),
        "latencies": raw.latencies(shown.out, samples),
    }
    return candidate.row.with_(files={**candidate.row.files, **files})


def model_info(net: Net, entry: Entry, out: Path) -> ModelInfo:
    """What the report says of a model."""
    checkpoint = checkpoints.load(entry.out)
    curves = (entry.out / CURVES).read_bytes()
    return ModelInfo(
        name=net.name,
        arch=checkpoint.arch,
        method=net.method.name,
        parents=tuple(net.parents.values()),
        options=net.options.model_dump(),
        num_params=checkpoint.num_params,
        macs=checkpoint.macs,
        size_bytes=checkpoint.size_bytes,
        metrics=checkpoint.metrics["validation"],
        edits=checkpoint.edits,
        curves=add_file(out, curves, "json"),
        temperature=checkpoint.temperature,
        augmented=_augmented(entry, out),
    )


def _augmented(entry: Entry, out: Path) -> dict[str, Any]:
    """The sheet of augmented images as a side file of the run; empty where there is none."""
    if not (entry.out / AUGMENTED).is_file():
        return {}
    about = json.loads((entry.out / AUGMENTED).read_text(encoding="utf-8"))
    return {"picture": add_file(out, (entry.out / AUGMENTED_PICTURE).read_bytes(), "jpg"), **about}
