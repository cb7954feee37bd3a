"""The stages of a conversion: a graph, its bundles, what they answer and how quick they are.

Each is a function of its inputs in a `Workshop`, as the stages before it are.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edgecls import hardware
from edgecls.bench import accuracy
from edgecls.bench.protocol import Protocol, Samples, measure
from edgecls.core import Images, Logits, Progress, Purpose, Remedies, Target
from edgecls.device import meta
from edgecls.device.meta import bundle_sha256
from edgecls.errors import EdgeclsError
from edgecls.graph import CheckpointSource
from edgecls.kits import kit_files
from edgecls.pipeline.package import machine_of, package
from edgecls.pipeline.workshop import Workshop, inputs_of
from edgecls.remote.local import here
from edgecls.store import Entry

SCORED = {"validation", "test"}


def graph(workshop: Workshop, name: str, model: Entry) -> Entry:
    """A checkpoint's canonical graph."""
    inputs = inputs_of("graph", packages=("torch", "onnx", "onnxscript"), model=model.key)
    return workshop.make(
        f"{name}: export",
        inputs,
        lambda out, work, progress: _export(model.out, out / "model.onnx"),
    )


def answers(
    workshop: Workshop, name: str, model: Entry, data: Entry, splits: Mapping[str, Images]
) -> Entry:
    """The net's own logits on validation and test, in PyTorch."""
    inputs = inputs_of("answers", packages=("torch",), model=model.key, data=data.key)

    def build(out: Path, work: Path, progress: Progress) -> None:
        source = CheckpointSource(model.out, out / "unused.onnx")
        _save_logits(out, {split: source.logits(images) for split, images in splits.items()})

    return workshop.make(f"{name}: answers", inputs, build)


def bundle(
    workshop: Workshop,
    name: str,
    model: Entry,
    graph: Entry | None,
    target: Target,
    precision: Any,
    remedies: Remedies | None = None,
) -> Entry:
    """A converted, packaged and self-checked model. Raises ConversionError.

    graph: None where the export failed; a target that asks for it gets the same error.
    remedies: of int8 (None: the target's own). The machine is the recipe's, or the target's own.
    """
    purpose = purpose_of(workshop)
    machine = machine_of(target, purpose)
    scheme = target.scheme(machine) if precision == "int8" else None
    kit = hashlib.sha256()
    for file, path in sorted(kit_files(target.kit).items()):
        kit.update(file.encode() + b"\0" + path.read_bytes())
    inputs = inputs_of(
        "bundle",
        packages=("edgecls", *target.packages),
        model=model.key,
        graph=graph.key if graph else None,
        name=name,
        target=[target.name, target.version],
        precision=precision,
        scheme=scheme.to_json() if scheme else None,
        hardware=machine.to_json(),
        # Its answers are a reference of the bundle.
        host=hardware.here().to_json(),
        kit=kit.hexdigest(),
        runs=target.availability().run.status,
        **({"remedies": remedies.to_json()} if remedies else {}),
    )

    def build(out: Path, work: Path, progress: Progress) -> None:
        path = (graph.out if graph else out.parent) / "model.onnx"
        source = CheckpointSource(model.out, path)
        artifact = package(name, source, target, precision, out, remedies, purpose)
        outcome = {"compiled": asdict(artifact.compiled), "size_bytes": artifact.size_bytes}
        (out.parent / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")

    return workshop.make(f"{name}: {target.name} {precision}", inputs, build)


def purpose_of(workshop: Workshop) -> Purpose:
    """What the bundles of a run are for."""
    return Purpose(profile=workshop.recipe.export.profile)


def climbed(workshop: Workshop, name: str, bundle: Entry, told: Mapping[str, Any]) -> Entry:
    """A copy of a bundle whose meta.json tells the climb that it came from."""
    inputs = inputs_of("climbed", bundle=bundle_sha256(str(bundle.out)), told=dict(told))

    def build(out: Path, work: Path, progress: Progress) -> None:
        shutil.copytree(bundle.out, out, dirs_exist_ok=True)
        found = meta.read(str(out))
        details = {**found.details, "climb": dict(told)}
        meta.write(str(out), replace(found, details=details))
        shutil.copyfile(bundle.folder / "outcome.json", out.parent / "outcome.json")

    return workshop.make(f"{name}: the climb's end", inputs, build)


def scores(
    workshop: Workshop, label: str, bundle: Path, data: Entry, splits: Mapping[str, Images]
) -> Entry:
    """A bundle's logits on validation and test, or on fewer splits, by its own runner."""
    inputs = inputs_of(
        "accuracy",
        bundle=bundle_sha256(str(bundle)),
        data=data.key,
        hardware=asdict(hardware.here()),
    )
    if set(splits) != SCORED:
        inputs = {**inputs, "splits": sorted(splits)}

    def build(out: Path, work: Path, progress: Progress) -> None:
        _save_logits(out, accuracy.logits_of(bundle, splits, work))

    return workshop.make(f"{label}: accuracy", inputs, build)


def samples(workshop: Workshop, bundles: Sequence[Path], protocol: Protocol) -> list[Samples]:
    """The latency samples of all bundles, measured together."""
    inputs = inputs_of(
        "measure",
        bundles=[bundle_sha256(str(bundle)) for bundle in bundles],
        protocol=protocol.to_json(),
        hardware=hardware.environment(),
    )

    def build(out: Path, work: Path, progress: Progress) -> None:
        found = measure(here(bundles), protocol, progress)
        if any(samples.error for samples in found):
            raise _FellOut(found)
        text = json.dumps([asdict(samples) for samples in found])
        (out / "samples.json").write_text(text, encoding="utf-8")

    try:
        entry = workshop.make("measuring", inputs, build)
    except _FellOut as error:
        return error.samples
    text = (entry.out / "samples.json").read_text(encoding="utf-8")
    return [Samples(**samples) for samples in json.loads(text)]


class _FellOut(EdgeclsError):
    """A bundle failed while it was measured: told now, and not kept, so that it is tried again."""

    def __init__(self, samples: list[Samples]) -> None:
        super().__init__("a bundle failed while it was measured")
        self.samples = samples


def _export(model: Path, path: Path) -> None:
    CheckpointSource(model, path).exported()


def _save_logits(out: Path, logits: Mapping[str, Logits]) -> None:
    import numpy as np

    for split, array in logits.items():
        np.save(out / f"{split}.npy", array, allow_pickle=False)


def load_logits(entry: Entry, splits: Sequence[str]) -> dict[str, Logits]:
    """The arrays of an ``answers`` or ``accuracy`` stage."""
    import numpy as np

    return {split: np.load(entry.out / f"{split}.npy", allow_pickle=False) for split in splits}
