"""What is evaluated: a checkpoint, answered by PyTorch, or a bundle, answered by its own runner."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecls import trust
from edgecls.archives import is_archive
from edgecls.bench import accuracy
from edgecls.core import Images, Logits
from edgecls.device.meta import NAME as META
from edgecls.device.meta import bundle_sha256
from edgecls.device.preprocess import Preprocess
from edgecls.errors import UsageError
from edgecls.evaluation import Subject
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint as checkpoints
from edgecls.recipe import Recipe


@dataclass(frozen=True)
class Model:
    """Something that answers. seen: `marks` of its training images, empty where not known.

    logits: uint8[N, H, W, C] -> float32[N, K]. provenance: its ``data`` and ``seed`` say on which
    images it was trained, if nothing else does.
    """

    subject: Subject
    labels: tuple[str, ...]
    preprocess: Preprocess
    provenance: Mapping[str, Any]
    seen: NDArray[np.uint64]
    logits: Callable[[Images], Logits]


def read(path: Path, trust_code: bool = False) -> Model:
    """The model in a folder. Raises TrustError before anything of a bundle runs."""
    if is_archive(path):
        raise UsageError(f"{path} is an archive, not a folder", "unpack it, and give its folder")
    return _bundle(path, trust_code) if (path / META).is_file() else _checkpoint(path)


def _checkpoint(path: Path) -> Model:
    found = checkpoints.load(path)
    source = CheckpointSource(path, path / "never-exported.onnx")
    subject = Subject("checkpoint", str(path), found.arch, found.weights_sha256, found.temperature)
    return Model(
        subject, found.labels, found.preprocess, found.provenance, found.seen(), source.logits
    )


def _bundle(path: Path, trust_code: bool) -> Model:
    meta = trust.check(path, trust_code)

    def logits(images: Images) -> Logits:
        with tempfile.TemporaryDirectory() as scratch:
            return accuracy.logits_of(
                path, {"images": images}, Path(scratch), trust_code=trust_code
            )["images"]

    about = f"{meta.target} {meta.precision}"
    temperature = meta.postprocess.temperature
    subject = Subject("bundle", str(path), about, bundle_sha256(str(path)), temperature)
    unknown = np.zeros(0, np.uint64)
    return Model(subject, meta.labels, meta.preprocess, meta.provenance, unknown, logits)


def as_trained(recipe: Recipe, about: Mapping[str, Any]) -> Recipe:
    """`recipe` with the seeds of a model's own training. about: its provenance."""
    seed = about.get("seed", recipe.seed)
    section = recipe.data.model_copy(update={"seed": about.get("split_seed", seed)})
    return recipe.model_copy(update={"seed": seed, "data": section})
