"""From a file to pixels, by the code that the device runs, with the hashes that tell copies apart.

Two files show the same image when their upright pixels in RGB are equal, whatever their format,
their metadata or whether a gray picture was stored in colour.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from edgecls.data.regular import open_regular
from edgecls.device.preprocess import DAMAGED, ImageError, Preprocess, decode, to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image. identity: sha256 of its size and of its pixels in RGB."""

    image: Image.Image
    tensor: NDArray[np.uint8]
    identity: str


def read(path: Path) -> bytes:
    """A regular file's bytes. Raises ImageError with the reason."""
    try:
        with open_regular(path) as stream:
            return stream.read()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from error


def pixels(data: bytes, preprocess: Preprocess) -> Pixels:
    """The image in a file's bytes, and its tensor uint8[H, W, C]. Raises ImageError."""
    try:
        # A damaged float TIFF has values that no cast to uint8 is defined for.
        with np.errstate(invalid="ignore", over="ignore"):
            image = decode(data, preprocess.exif)
            rgb = to_rgb(image, "RGB")
            tensor = preprocess(image)
        digest = hashlib.sha256(b"%d %d " % rgb.size)
        digest.update(rgb.tobytes())
        return Pixels(image, tensor, digest.hexdigest())
    except ImageError:
        raise
    except DAMAGED as error:
        raise ImageError(f"cannot be decoded: {str(error) or type(error).__name__}") from error


def as_png(image: Image.Image, preprocess: Preprocess) -> bytes:
    """`image` without loss or metadata, so that `preprocess` makes the same tensor of it."""
    plain = "L" if preprocess.mode == "L" else "RGB"
    kept = to_rgb(image, image.mode if image.mode in ("L", "RGB") else plain)
    stream = io.BytesIO()
    Image.fromarray(np.asarray(kept)).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Pillow's warnings left out: decode() has its own limit for bombs, and broken EXIF is no harm.

    The filter is the process's, so it also covers threads: enter it once around them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield
