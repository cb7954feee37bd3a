"""The stages: each a function of its inputs, kept in the store under the hash of all of them.

A stage's key holds its options, the keys of what it is made from, its own version and the versions
of the packages that it uses; so a changed recipe computes again just what depends on the change.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgecls import data as datas
from edgecls import hardware
from edgecls.core import (
    Classes,
    Context,
    Dataset,
    Images,
    Progress,
    SilentProgress,
    unlogged,
)
from edgecls.data import SplitFractions
from edgecls.device.preprocess import Preprocess
from edgecls.errors import UsageError
from edgecls.models import checkpoint as checkpoints
from edgecls.models.checkpoint import CURVES
from edgecls.pipeline import pricing
from edgecls.pipeline.events import Events
from edgecls.pipeline.nets import Net, caution
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
VERSIONS |= {"accuracy": 1, "measure": 2, "operators": 1, "pictures": 1, "part": 1, "robustness": 1}

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

        for option, entry in parents.items():
            if warning := caution(option, checkpoints.load(entry.out)):
                self.events.note(f"{net.name}: {warning}")
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


def inputs_of(stage: str, packages: tuple[str, ...] = (), **inputs: Any) -> Inputs:
    """Everything that a stage's result depends on."""
    versions = hardware.versions(packages)
    return {"stage": stage, "version": VERSIONS[stage], "packages": versions, **inputs}


def scored(dataset: Dataset) -> tuple[dict[str, Images], dict[str, Classes]]:
    """(images, classes) of the splits that are scored: validation and test."""
    names = ("validation", "test")
    return (
        {name: dataset[name][0] for name in names},
        {name: dataset[name][1] for name in names},
    )
