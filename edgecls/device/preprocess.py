"""From an image file to the uint8 tensor that every runtime gets.

Training's cache, evaluation and the device run this same code, so they agree to the bit. The
normalisation (``mean``, ``std``) is carried here as well, but is done inside the model's graph.
"""

import io
import math
import os
import struct
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any, Dict, Tuple, Union

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import EdgeclsError

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
RESIZES = ("stretch", "shortest", "pad")
MODES = ("RGB", "BGR", "L")

# Decoding is refused above this, from where on Pillow itself warns of a decompression bomb.
MAX_PIXELS = 89_478_485

# What cameras and people make. Formats that start other programs (EPS) are never tried.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "TGA")

# Pillow's decoders raise all of these for damaged data.
DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

ImageSource = Union[str, "os.PathLike[str]", bytes]


class ImageError(EdgeclsError):
    """A file that is not an image that can be used, with the reason."""


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes ``uint8[H, W, C]``, and how the graph normalises that.

    size: (height, width) in pixels. resize: ``stretch`` to the size, scale the ``shortest`` side
    to ``size / crop_ratio`` and crop the centre, or fit inside and ``pad`` with ``fill``.
    mean, std: one per channel, for values in 0..1: ``normalised = (value / 255 - mean) / std``.
    """

    size: Tuple[int, int]
    resize: str = "stretch"
    crop_ratio: float = 1.0
    interpolation: str = "bilinear"
    antialias: bool = True
    mode: str = "RGB"
    exif: bool = True
    fill: int = 0
    mean: Tuple[float, ...] = (0.5, 0.5, 0.5)
    std: Tuple[float, ...] = (0.25, 0.25, 0.25)

    def __post_init__(self) -> None:
        for name, value, valid in (
            ("resize", self.resize, RESIZES),
            ("interpolation", self.interpolation, INTERPOLATIONS),
            ("mode", self.mode, MODES),
        ):
            if value not in valid:
                raise EdgeclsError(
                    "preprocess: unknown {} {!r}".format(name, value), "valid: " + ", ".join(valid)
                )
        if not _numbers(self.size, 2, int) or min(self.size) < 1:
            raise EdgeclsError("preprocess: size must be two positive integers, height and width")
        if not _numbers([self.crop_ratio], 1) or not 0 < self.crop_ratio <= 1:
            raise EdgeclsError("preprocess: crop_ratio must be in (0, 1]")
        if not _numbers([self.fill], 1, int) or not 0 <= self.fill <= 255:
            raise EdgeclsError("preprocess: fill must be an integer from 0 to 255")
        if not isinstance(self.antialias, bool) or not isinstance(self.exif, bool):
            raise EdgeclsError("preprocess: antialias and exif must be true or false")
        if self.interpolation == "lanczos" and not self.antialias:
            raise EdgeclsError("preprocess: lanczos always filters", "set antialias, or bicubic")
        if not all(_numbers(values, self.channels) for values in (self.mean, self.std)):
            raise EdgeclsError(
                "preprocess: mean and std need {} values each for mode {}".format(
                    self.channels, self.mode
                )
            )
        if min(self.std) <= 0:
            raise EdgeclsError("preprocess: std must be positive")

    @property
    def channels(self) -> int:
        return 1 if self.mode == "L" else 3

    @property
    def input_shape(self) -> Tuple[int, int, int, int]:
        """The shape of one image's tensor: (1, H, W, C)."""
        return (1, self.size[0], self.size[1], self.channels)

    def to_json(self) -> Dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_json(data: Dict[str, Any]) -> "Preprocess":
        known = {f.name for f in fields(Preprocess)}
        if not isinstance(data, dict) or set(data) - known or "size" not in data:
            raise EdgeclsError("preprocess: unknown or missing fields in {!r}".format(data))
        values: Dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
        }
        return Preprocess(**values)

    def __call__(self, image: Image.Image) -> "np.ndarray[Any, Any]":
        """``uint8[H, W, C]`` of a decoded image; see `decode`."""
        return self._channels(self._resize(to_rgb(image, "L" if self.mode == "L" else "RGB")))

    def load(self, source: ImageSource) -> "np.ndarray[Any, Any]":
        """``uint8[H, W, C]`` of an image file or its bytes. Raises ImageError."""
        return self(decode(source, self.exif))

    def _resize(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        how = getattr(Image, "Resampling", Image)
        filter_ = getattr(how, self.interpolation.upper())
        if image.size == (width, height):
            return image
        if self.resize == "stretch":
            return self._scale(image, (width, height), filter_)
        if self.resize == "pad":
            scale = min(width / image.width, height / image.height)
            inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            canvas = Image.new(image.mode, (width, height), (self.fill,) * len(image.getbands()))
            at = ((width - inner[0]) // 2, (height - inner[1]) // 2)
            canvas.paste(self._scale(image, inner, filter_), at)
            return canvas
        scale = max(width / image.width, height / image.height) / self.crop_ratio
        outer = (
            max(width, round(image.width * scale)),
            max(height, round(image.height * scale)),
        )
        left, top = (outer[0] - width) // 2, (outer[1] - height) // 2
        scaled = self._scale(image, outer, filter_)
        return scaled.crop((left, top, left + width, top + height))

    def _scale(self, image: Image.Image, size: Tuple[int, int], filter_: Any) -> Image.Image:
        # Pillow always filters over the source's footprint; reducing_gap would change the result.
        if self.antialias or self.interpolation == "nearest":
            # Pillow 13 does the vertical pass first where the height shrinks more than the width,
            # older ones do not, and a pass rounds: here the horizontal one is first in all of them.
            return image.resize((size[0], image.height), filter_).resize(size, filter_)
        # Without antialiasing every output pixel is interpolated from its neighbours alone.
        x_scale, y_scale = image.width / size[0], image.height / size[1]
        transform = getattr(Image, "Transform", Image).AFFINE
        return image.transform(size, transform, (x_scale, 0, 0, 0, y_scale, 0), resample=filter_)

    def _channels(self, image: Image.Image) -> "np.ndarray[Any, Any]":
        # A copy: Pillow's own is read-only, of which PyTorch warns.
        pixels = np.array(image, dtype=np.uint8)
        if self.mode == "L":
            pixels = pixels[:, :, None]
        elif self.mode == "BGR":
            pixels = pixels[:, :, ::-1]
        return np.ascontiguousarray(pixels)


def _numbers(values: Any, count: int, kind: Any = (int, float)) -> bool:
    """Whether `values` are that many numbers, as they can come out of somebody's JSON."""
    return (
        isinstance(values, (tuple, list))
        and len(values) == count
        and all(isinstance(v, kind) and not isinstance(v, bool) for v in values)
        and all(math.isfinite(v) for v in values)
    )


def decode(source: ImageSource, exif: bool = True) -> Image.Image:
    """The decoded first frame of an image file, upright. Raises ImageError with the reason."""
    try:
        data = source if isinstance(source, bytes) else _read(source)
        if not data:
            raise ImageError("empty file")
        return _decode(data, exif)
    except EdgeclsError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("refused as a decompression bomb: {}".format(error)) from error
    except UnidentifiedImageError as error:
        raise ImageError("not an image, or of a format that is not read") from error
    except DAMAGED as error:
        raise ImageError("cannot be decoded: {}".format(error)) from error


def _decode(data: bytes, exif: bool) -> Image.Image:
    Image.init()  # does nothing the second time
    formats = [name for name in FORMATS if name in Image.OPEN]  # an old Pillow has fewer
    image = Image.open(io.BytesIO(data), formats=formats)
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            "{}x{} pixels is more than {:,}: refused as a decompression bomb".format(
                image.width, image.height, MAX_PIXELS
            )
        )
    image.load()
    # libjpeg fills up what is missing without a word; a whole file has its end marker.
    if image.format == "JPEG" and b"\xff\xd9" not in data:
        raise ImageError("truncated: the JPEG has no end marker")
    return ImageOps.exif_transpose(image) if exif else image


def to_rgb(image: Image.Image, mode: str) -> Image.Image:
    """`image` in ``RGB`` or ``L``: 16-bit scaled to 8, transparency laid over white."""
    try:
        if image.mode.startswith("I") or image.mode == "F":
            image = _to_8_bit(image)
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            rgba = image.convert("RGBA")
            white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, rgba)
        return image if image.mode == mode else image.convert(mode)
    except DAMAGED as error:
        raise ImageError("cannot be converted to {}: {}".format(mode, error)) from error


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Wide integers of more than 8 bits are taken for 16-bit ones; floats for 0..255."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    scale = 255.0 / 65535.0 if image.mode != "F" and values.max() > 255 else 1.0
    return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))


def _read(path: Union[str, "os.PathLike[str]"]) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ImageError("cannot be read: {}".format(error.strerror)) from error
