"""What every training method does before and after `fit`: its parents and its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from edgecls import hardware
from edgecls.core import Context, Method
from edgecls.errors import UsageError
from edgecls.models import checkpoint
from edgecls.models.checkpoint import Checkpoint
from edgecls.models.normalise import Normalise
from edgecls.train import sheet
from edgecls.train.calibration import fit_temperature
from edgecls.train.fit import predict
from edgecls.train.metrics import summarize
from edgecls.train.options import FitOptions


def read_parent(folder: Path, context: Context) -> Checkpoint:
    """A parent's checkpoint. Raises UsageError where it is for other labels or another input."""
    parent = checkpoint.load(folder)
    if parent.labels != context.data.labels:
        raise UsageError(
            f"{folder} knows other classes than the data: {', '.join(parent.labels[:8])} …",
            "use the data that it was trained on",
        )
    if parent.preprocess != context.data.preprocess:
        raise UsageError(
            f"{folder} takes another input than the data was prepared for",
            f"prepare the data with size {list(parent.preprocess.size)}, mode "
            f"{parent.preprocess.mode} and resize {parent.preprocess.resize}",
        )
    return parent


def save(
    out: Path,
    net: nn.Module,
    arch: str,
    curves: Sequence[Mapping[str, float]],
    method: Method,
    options: FitOptions,
    parents: Mapping[str, Path],
    context: Context,
    edits: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the checkpoint of a trained net with its validation metrics and provenance.

    Its temperature is fitted on validation, and its metrics are those of the probabilities that
    it gives with it.
    """
    images, classes = context.data["validation"]
    logits = predict(net, Normalise(context.data.preprocess), images)
    temperature = fit_temperature(logits, classes)
    loaded = {name: checkpoint.load(folder) for name, folder in parents.items()}
    validation = summarize(logits, np.asarray(classes), context.data.labels, temperature)
    before = [parent.seen() for parent in loaded.values()]
    now = [checkpoint.marks(context.data[split][0]) for split in ("train", "validation")]
    checkpoint.save(
        out,
        net,
        arch,
        context.data,
        metrics={"validation": validation},
        provenance={
            "method": method.name,
            "options": options.model_dump(exclude=set(method.parents)),
            "seed": context.seed,
            "split_seed": context.data.seed,
            "data": context.data.fingerprint,
            "parents": {name: parent.weights_sha256 for name, parent in loaded.items()},
            "versions": hardware.versions(("edgecls", *method.packages)),
        },
        curves=curves,
        edits=edits,
        temperature=temperature,
        seen=np.concatenate([*before, *now]),
    )
    sheet.write(out, context.data, options, context.seed)
