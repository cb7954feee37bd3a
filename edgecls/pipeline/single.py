"""One step of the job on its own: train, distil, prune; export."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecls import data as datas
from edgecls import targets
from edgecls.core import Precision, Purpose, Remedies
from edgecls.device.meta import sha256
from edgecls.device.preprocess import Preprocess
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints
from edgecls.models import zoo
from edgecls.models.checkpoint import JSON
from edgecls.pipeline import places, pricing
from edgecls.pipeline.choice import choose_input
from edgecls.pipeline.events import Events
from edgecls.pipeline.nets import Net, check_order, named_parents
from edgecls.pipeline.package import AT_HAND, package
from edgecls.pipeline.workshop import Workshop
from edgecls.recipe import Recipe, validated
from edgecls.store import Entry, Store
from edgecls.world import world


def apply_method(
    name: str, options: Mapping[str, Any], recipe: Recipe, out: Path, events: Events, force: bool
) -> Path:
    """Apply a method to the recipe's data and write the checkpoint to `out`.

    The options that name parents are paths of checkpoints; the first parent's input is kept. A
    training that was killed goes on with its last epoch when it is asked for again.
    """
    from edgecls import methods

    method = methods.get(name)
    checked = validated(method.Options, options, name)
    pricing.check(checked)
    paths = {option: Path(name) for option, name in named_parents(method, checked).items()}
    places.check(recipe.data.path, out)
    places.check_board(recipe)
    places.free(out, force, paths.values())
    loaded = {option: checkpoints.load(path) for option, path in paths.items()}
    check_order(method, loaded)
    parents = {
        option: Entry(sha256(str(found.folder / JSON)), found.folder)
        for option, found in loaded.items()
    }
    workshop = Workshop(Store(out.parent / ".store"), recipe, events)
    images, listing = workshop.listed()
    chosen, _ = choose_input(datas.sniff(listing), recipe.data)
    preprocess = next((found.preprocess for found in loaded.values()), chosen)
    arch = method.arch({option: found.arch for option, found in loaded.items()}, checked)
    events.plan([_sentence(name, arch, listing, preprocess)])
    # A net that cannot be built is told before the images are decoded.
    with events.stage("loading PyTorch"):
        zoo.price(arch, len(listing.labels), preprocess.channels, preprocess.size)
    data = workshop.data(images, workshop.fingerprint(listing), preprocess)
    workshop.tell_left_out(data)
    net = Net(out.name, method, checked, {})
    entry = workshop.model(net, parents, data, datas.load(data.out, listing.root))
    if entry.cached:
        events.note(f"finished before, and taken from {out.parent / '.store'}")
    if world().is_first:
        places.place(out, lambda part: shutil.copytree(entry.out, part, dirs_exist_ok=True))
    return out


def _sentence(name: str, arch: str, listing: datas.Listing, preprocess: Preprocess) -> str:
    """What is about to be done."""
    height, width = preprocess.size
    colour = "grayscale" if preprocess.mode == "L" else "colour"
    return (
        f"{name}: {arch} on {len(listing.entries):,} images in {len(listing.labels):,} classes, "
        f"input {width}×{height}, {colour}"
    )


def export(
    checkpoint: Path,
    target_name: str,
    precision: Precision,
    out: Path,
    force: bool,
    remedies: Remedies | None = None,
    purpose: Purpose = AT_HAND,
) -> Path:
    """Convert a checkpoint and write its bundle to `out`. Raises ConversionError.

    remedies: of int8 (None: the target's own). purpose: the machine and the batch that it is for.
    """
    places.free(out, force, [checkpoint])
    target = targets.get(target_name)
    with tempfile.TemporaryDirectory() as scratch:
        source = CheckpointSource(checkpoint, Path(scratch) / "model.onnx")
        name = named(checkpoint)
        places.place(
            out, lambda part: package(name, source, target, precision, part, remedies, purpose)
        )
    return out


def named(checkpoint: Path) -> str:
    """What a model is called: as the link to it, such as one of a run, or as its folder."""
    return checkpoint.resolve().name if not checkpoint.is_symlink() else checkpoint.name
