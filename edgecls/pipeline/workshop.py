"""The stages: each a function of its inputs, kept in the store under the hash of all of them.

A stage's key holds its options, the keys of what it is made from, its own version and the versions
of the packages that it uses; so a changed recipe computes again just what depends on the change.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecls import data as datas
from edgecls import hardware
from edgecls.bench import accuracy
from edgecls.bench.protocol import Protocol, Samples, measure
from edgecls.core import (
    Classes,
    Context,
    Dataset,
    Images,
    Logits,
    Progress,
    Remedies,
    SilentProgress,
    Target,
    unlogged,
)
from edgecls.data import SplitFractions
from edgecls.device import meta
from edgecls.device.meta import bundle_sha256
from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError, UsageError
from edgecls.graph import CheckpointSource
from edgecls.kits import kit_files
from edgecls.models.checkpoint import CURVES
from edgecls.pipeline import pricing
from edgecls.pipeline.events import Events
from edgecls.pipeline.nets import Net
from edgecls.pipeline.package import package
from edgecls.recipe import DIGITS, Recipe
from edgecls.rundir import StageInfo
from edgecls.store import Entry, Store, key_of
from edgecls.world import world

# Raised when what a stage does changes, so that its older results are not used again.
VERSIONS = {
    "digits": 1,
    "unpacked": 1,
    "data": 2,
    "model": 2,
    "graph": 1,
    "answers": 1,
    "bundle": 1,
}
VERSIONS |= {"climbed": 1, "emulated": 1, "diagnosis": 1}
VERSIONS |= {"accuracy": 1, "measure": 1, "pictures": 1, "part": 1, "robustness": 1}

SCORED = {"validation", "test"}

Inputs = Mapping[str, Any]


@dataclass
class Workshop:
    """A store, a recipe and where to tell what is done; `done` lists the finished stages."""

    store: Store
    recipe: Recipe
    events: Events
    done: list[StageInfo] = field(default_factory=list)

    def make(
        self, name: str, inputs: Inputs, build: Callable[[Path, Path, Progress], None]
    ) -> Entry:
        """The entry of `inputs`, from the store or by ``build(out, workdir, progress)``."""
        found = self.store.find(key_of(inputs))
        if found is None:
            with self.events.stage(name) as progress:
                found = self.store.make(name, inputs, lambda out, work: build(out, work, progress))
        if not found.cached or all(stage.name != name for stage in self.done):
            self.done.append(StageInfo(name, found.seconds, found.cached))
        return found

    def images(self) -> Path:
        """What `datas.scan` reads: the user's folder or table, or what was unpacked from it."""
        if self.recipe.data.path != DIGITS:
            return self._unpacked(datas.located(self.recipe.data.path))
        inputs = inputs_of("digits", packages=("scikit-learn", "pillow"))
        entry = self.make(
            "digits", inputs, lambda out, work, progress: datas.write_digits(out / DIGITS)
        )
        return entry.out / DIGITS

    def listed(self) -> tuple[Path, datas.Listing]:
        """`images`, and every image of it. Raises DataError, which names the user's own path."""
        images, source = self.images(), self.recipe.data.path
        if images == Path(source):
            return images, datas.scan(images)
        with datas.told_as(images, source):
            return images, datas.scan(images)

    def _unpacked(self, path: Path) -> Path:
        packed = datas.find(path)
        if packed is None:
            return path
        inputs = inputs_of(
            "unpacked",
            packages=packed.packages,
            kind=packed.kind,
            files=self.fingerprint(packed.files),
        )

        def build(out: Path, work: Path, progress: Progress) -> None:
            packed.unpack(out / "images", work, progress)

        return self.make("unpacking the images", inputs, build).out / "images"

    def fingerprint(self, listing: datas.Listing) -> str:
        """The content of a folder of images, by the hashes of its files."""
        with self.events.stage("reading the images' hashes") as progress:
            return datas.fingerprint(listing, self.store.root / "hashes.json", progress=progress)

    def data_inputs(self, fingerprint: str, preprocess: Preprocess) -> Inputs:
        """What the splits depend on."""
        section = self.recipe.data
        return inputs_of(
            "data",
            packages=("numpy", "pillow"),
            fingerprint=fingerprint,
            preprocess=preprocess.to_json(),
            fractions=asdict(self._fractions()),
            seed=self.split_seed,
            leaks=section.leaks,
            calibration=section.calibration,
            cache_gb=section.cache_gb,
        )

    @property
    def split_seed(self) -> int:
        """What the splits are drawn with."""
        given = self.recipe.data.seed
        return self.recipe.seed if given is None else given

    def _fractions(self) -> SplitFractions:
        section = self.recipe.data
        return SplitFractions(
            1 - section.validation - section.test, section.validation, section.test
        )

    def data(self, images: Path, fingerprint: str, preprocess: Preprocess) -> Entry:
        """The splits, decoded and resized."""
        section = self.recipe.data
        return self.make(
            "data",
            self.data_inputs(fingerprint, preprocess),
            lambda out, work, progress: datas.prepare(
                images,
                preprocess,
                self._fractions(),
                self.split_seed,
                out,
                leaks=section.leaks,
                calibration=section.calibration,
                cache_bytes=int(section.cache_gb * 1e9),
                progress=progress,
            ),
        )

    def tell_left_out(self, data: Entry) -> None:
        """A line for every file of a ``data`` stage that cannot be used, with its reason."""
        for left_out in datas.describe(data.out)["skipped"]:
            self.events.note(f"left out: {left_out['file']}: {left_out['reason']}")

    def model_inputs(self, net: Net, parents: Mapping[str, str], data: str) -> Inputs:
        """What a model depends on. parents: option -> key; data: the data entry's key."""
        return inputs_of(
            "model",
            packages=net.method.packages,
            method=[net.method.name, net.method.version],
            options=net.options.model_dump(exclude=set(net.method.parents)),
            parents=dict(parents),
            data=data,
            seed=self.recipe.seed if net.seed is None else net.seed,
            **pricing.inputs(net.options, self.recipe.bench),
        )

    def context(self, dataset: Dataset, work: Path, progress: Progress) -> Context:
        """What a method works with."""
        from edgecls.train import devices

        return Context(
            data=dataset,
            seed=self.recipe.seed,
            workdir=work,
            progress=progress,
            threads=self.recipe.threads,
            device=devices.resolve(self.recipe.device),
            shared=self.store.shared,
            cost=pricing.pricer(self.recipe.bench, work),
        )

    def _log(self, name: str) -> Callable[[Mapping[str, float]], None]:
        """Where a training's epochs are told: TensorBoard's files, of the first process alone."""
        from edgecls.train.board import board

        if self.recipe.tensorboard is None or not world().is_first:
            return unlogged
        return board(Path(self.recipe.tensorboard) / name)

    def model(self, net: Net, parents: Mapping[str, Entry], data: Entry, dataset: Dataset) -> Entry:
        """A checkpoint made by a method."""

        def build(out: Path, work: Path, progress: Progress) -> None:
            context = replace(self.context(dataset, work, progress), log=self._log(net.name))
            context = context if net.seed is None else replace(context, seed=net.seed)
            net.method.apply(
                {option: entry.out for option, entry in parents.items()}, net.options, context, out
            )

        keys = {option: entry.key for option, entry in parents.items()}
        inputs = self.model_inputs(net, keys, data.key)
        if world().size > 1:
            found = self._together(f"{net.name}: {net.method.name}", inputs, build)
        else:
            found = self.make(f"{net.name}: {net.method.name}", inputs, build)
        if found.cached:
            self._log_again(net.name, found)
        return found

    def _log_again(self, name: str, model: Entry) -> None:
        """The epochs of a checkpoint that was in the store already."""
        log = self._log(name)
        if log is not unlogged:
            for epoch in json.loads((model.out / CURVES).read_text(encoding="utf-8"))["epochs"]:
                log(epoch)

    def _together(
        self, name: str, inputs: Inputs, build: Callable[[Path, Path, Progress], None]
    ) -> Entry:
        """`make` in several processes: the first one's goes into the store, the others help.

        What a helper ends with is equal, and lies in a temporary folder of its own.
        """
        import torch

        from edgecls.train import devices, parallel

        place = parallel.join(torch.device(devices.resolve(self.recipe.device)))
        key = key_of(inputs)
        finished = parallel.shared(self.store.find(key) is not None, place)
        if place.is_first:
            return self.make(name, inputs, build)
        if finished:
            found = self.store.find(key)
            if found is None:
                raise UsageError(
                    f"{name} is finished on the first machine, but {self.store.root} lacks it here",
                    "train where all machines see the same folder",
                )
            return found
        scratch = Path(tempfile.mkdtemp(prefix="edgecls-"))
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        for folder in ("out", "work"):
            (scratch / folder).mkdir()
        build(scratch / "out", scratch / "work", SilentProgress())
        return Entry(key, scratch / "out", cached=False)

    def graph(self, name: str, model: Entry) -> Entry:
        """A checkpoint's canonical graph."""
        inputs = inputs_of("graph", packages=("torch", "onnx", "onnxscript"), model=model.key)
        return self.make(
            f"{name}: export",
            inputs,
            lambda out, work, progress: _export(model.out, out / "model.onnx"),
        )

    def answers(self, name: str, model: Entry, data: Entry, splits: Mapping[str, Images]) -> Entry:
        """The net's own logits on validation and test, in PyTorch."""
        inputs = inputs_of("answers", packages=("torch",), model=model.key, data=data.key)

        def build(out: Path, work: Path, progress: Progress) -> None:
            source = CheckpointSource(model.out, out / "unused.onnx")
            _save_logits(out, {split: source.logits(images) for split, images in splits.items()})

        return self.make(f"{name}: answers", inputs, build)

    def bundle(
        self,
        name: str,
        model: Entry,
        graph: Entry | None,
        target: Target,
        precision: Any,
        remedies: Remedies | None = None,
    ) -> Entry:
        """A converted, packaged and self-checked model. Raises ConversionError.

        graph: None where the export failed; a target that asks for it gets the same error.
        remedies: of int8 (None: the target's own).
        """
        machine = hardware.here()
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
            hardware=asdict(machine),
            kit=kit.hexdigest(),
            runs=target.availability().run.status,
            **({"remedies": remedies.to_json()} if remedies else {}),
        )

        def build(out: Path, work: Path, progress: Progress) -> None:
            path = (graph.out if graph else out.parent) / "model.onnx"
            source = CheckpointSource(model.out, path)
            artifact = package(name, source, target, precision, out, remedies)
            outcome = {"compiled": asdict(artifact.compiled), "size_bytes": artifact.size_bytes}
            (out.parent / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")

        return self.make(f"{name}: {target.name} {precision}", inputs, build)

    def climbed(self, name: str, bundle: Entry, told: Mapping[str, Any]) -> Entry:
        """A copy of a bundle whose meta.json tells the climb that it came from."""
        inputs = inputs_of("climbed", bundle=bundle_sha256(str(bundle.out)), told=dict(told))

        def build(out: Path, work: Path, progress: Progress) -> None:
            shutil.copytree(bundle.out, out, dirs_exist_ok=True)
            found = meta.read(str(out))
            details = {**found.details, "climb": dict(told)}
            meta.write(str(out), replace(found, details=details))
            shutil.copyfile(bundle.folder / "outcome.json", out.parent / "outcome.json")

        return self.make(f"{name}: the climb's end", inputs, build)

    def accuracy(
        self, label: str, bundle: Path, data: Entry, splits: Mapping[str, Images]
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

        return self.make(f"{label}: accuracy", inputs, build)

    def samples(self, bundles: Sequence[Path], protocol: Protocol) -> list[Samples]:
        """The latency samples of all bundles, measured together."""
        inputs = inputs_of(
            "measure",
            bundles=[bundle_sha256(str(bundle)) for bundle in bundles],
            protocol=protocol.to_json(),
            hardware=hardware.environment(),
        )

        def build(out: Path, work: Path, progress: Progress) -> None:
            found = measure(bundles, protocol, progress)
            if any(samples.error for samples in found):
                raise _FellOut(found)
            text = json.dumps([asdict(samples) for samples in found])
            (out / "samples.json").write_text(text, encoding="utf-8")

        try:
            entry = self.make("measuring", inputs, build)
        except _FellOut as error:
            return error.samples
        text = (entry.out / "samples.json").read_text(encoding="utf-8")
        return [Samples(**samples) for samples in json.loads(text)]


class _FellOut(EdgeclsError):
    """A bundle failed while it was measured: told now, and not kept, so that it is tried again."""

    def __init__(self, samples: list[Samples]) -> None:
        super().__init__("a bundle failed while it was measured")
        self.samples = samples


def inputs_of(stage: str, packages: tuple[str, ...] = (), **inputs: Any) -> Inputs:
    """Everything that a stage's result depends on."""
    versions = hardware.versions(packages)
    return {"stage": stage, "version": VERSIONS[stage], "packages": versions, **inputs}


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


def scored(dataset: Dataset) -> tuple[dict[str, Images], dict[str, Classes]]:
    """(images, classes) of the splits that are scored: validation and test."""
    names = ("validation", "test")
    return (
        {name: dataset[name][0] for name in names},
        {name: dataset[name][1] for name in names},
    )
