"""A contact sheet: some images of every class in one small picture, one row a class."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from edgecls.rundir import add_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES, COLUMNS, SIDE, GAP = 16, 10, 48, 2
MAX_BYTES = 200_000
NAME = "contact.jpg"
_QUALITIES = (88, 75, 60, 45, 30, 15)


@dataclass(frozen=True)
class Sheet:
    """labels: of the rows, from the top. pitch: pixels from one row or column to the next."""

    jpeg: bytes
    labels: tuple[str, ...]
    columns: int
    pitch: int = SIDE + GAP

    def to_json(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "columns": self.columns, "pitch": self.pitch}


def sheet(rows: Mapping[str, Sequence[NDArray[np.uint8]]], mode: str = "RGB") -> Sheet:
    """The sheet of ``label -> uint8[H, W, C] images``: the first COLUMNS of the first CLASSES.

    mode: the order of the channels, see `Preprocess`. The JPEG has at most MAX_BYTES.
    """
    shown = dict(list(rows.items())[:CLASSES])
    columns = max((min(len(images), COLUMNS) for images in shown.values()), default=0)
    pitch = SIDE + GAP
    size = (max(1, columns * pitch - GAP), max(1, len(shown) * pitch - GAP))
    canvas = Image.new("RGB", size, (128, 128, 128))
    for down, images in enumerate(shown.values()):
        for right, image in enumerate(images[:COLUMNS]):
            cell = _cell(image, mode)
            at = ((SIDE - cell.width) // 2, (SIDE - cell.height) // 2)
            canvas.paste(cell, (right * pitch + at[0], down * pitch + at[1]))
    return Sheet(_jpeg(canvas), tuple(shown), columns)


def _cell(tensor: NDArray[np.uint8], mode: str) -> Image.Image:
    pixels = tensor[..., 0] if tensor.shape[-1] == 1 else tensor
    image = Image.fromarray(np.ascontiguousarray(pixels[..., ::-1] if mode == "BGR" else pixels))
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # Thumbnails stay sharp, so that their pixels can be seen.
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.convert("RGB").resize(size, how)


def _jpeg(canvas: Image.Image) -> bytes:
    data = b""
    for quality in _QUALITIES:
        stream = io.BytesIO()
        canvas.save(stream, "JPEG", quality=quality, optimize=True)
        data = stream.getvalue()
        if len(data) <= MAX_BYTES:
            break
    return data


def keep(prepared: Path, about: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """Make the sheet of prepared data a side file of a run; what its ``pictures`` say of it.

    about: what data.json says of it.
    """
    return {"contact": add_file(run, (prepared / NAME).read_bytes(), "jpg"), **about}
