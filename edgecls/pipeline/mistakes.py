"""The answers that were wrong and surest of themselves, with the pictures as the net saw them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgecls.core import Classes, Images, Logits
from edgecls.device.measure import probabilities
from edgecls.device.preprocess import Preprocess
from edgecls.rundir import Mistake, add_file

MOST = 24
# Enough to see what it is, small enough to stand in a report.
MAX_SIDE = 96


def worst(
    folder: Path,
    logits: Logits,
    classes: Classes,
    images: Images,
    files: Sequence[str],
    temperature: float,
    preprocess: Preprocess,
) -> tuple[Mistake, ...]:
    """The most confident mistakes, at most 24; their pictures become side files of `folder`."""
    shares = probabilities(logits, temperature)
    said, sure = logits.argmax(axis=1), shares.max(axis=1)
    wrong = np.flatnonzero((said != np.asarray(classes)) & np.isfinite(sure))
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:MOST]
    return tuple(
        Mistake(
            file=files[row],
            true=int(classes[row]),
            said=int(said[row]),
            confidence=float(sure[row]),
            picture=add_file(folder, picture(images[row], preprocess.mode), "png"),
        )
        for row in chosen.tolist()
    )


def keep(folder: Path, mistakes: Sequence[Mistake]) -> str:
    """Keep the list as a side file; returns its sha256."""
    text = json.dumps([asdict(each) for each in mistakes])
    return add_file(folder, text.encode(), "json")


def picture(tensor: NDArray[Any], mode: str) -> bytes:
    """A preprocessed image, uint8[H, W, C], as a small PNG."""
    if mode == "BGR":
        tensor = tensor[:, :, ::-1]
    image = Image.fromarray(np.ascontiguousarray(tensor[:, :, 0] if mode == "L" else tensor))
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
