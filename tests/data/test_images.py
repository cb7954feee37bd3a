"""Odd files: what they become, and why they are refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from edgecls.data.images import as_png, pixels, quiet_decoders
from edgecls.device.preprocess import ImageError, Preprocess

RGB = Preprocess((8, 8))
GRAY = Preprocess((8, 8), mode="L", mean=(0.5,), std=(0.5,))
BGR = Preprocess((6, 9), mode="BGR", resize="shortest", crop_ratio=0.9)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (14, 11, 3), np.uint8))


def _file(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return _file(NOISE, "JPEG", exif=exif)


def _sixteen_bit():
    values = np.random.default_rng(1).integers(0, 65536, (9, 9)).astype(np.uint16)
    return _file(Image.fromarray(values), "PNG")


def _transparent_palette():
    image = NOISE.convert("P")
    return _file(image, "PNG", transparency=bytes(range(0, 250, 5)))


def _animated():
    return _file(NOISE.convert("P"), "GIF", save_all=True, append_images=[NOISE.convert("L")])


USABLE = {
    "jpeg": _file(NOISE, "JPEG"),
    "cmyk": _file(NOISE.convert("CMYK"), "JPEG"),
    "gray": _file(NOISE.convert("L"), "PNG"),
    "gray with a transparent level": _file(NOISE.convert("L"), "PNG", transparency=7),
    "gray with alpha": _file(NOISE.convert("LA"), "PNG"),
    "colour with a transparent colour": _file(NOISE, "PNG", transparency=NOISE.getpixel((0, 0))),
    "alpha": _file(NOISE.convert("RGBA"), "PNG"),
    "bilevel": _file(NOISE.convert("1"), "PNG"),
    "palette": _file(NOISE.convert("P"), "PNG"),
    "palette with transparency": _transparent_palette(),
    "16 bit": _sixteen_bit(),
    "float": _file(NOISE.convert("F"), "TIFF"),
    "animated gif": _animated(),
    "turned by exif": _turned(),
    "webp": _file(NOISE, "WEBP"),
}


@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("preprocess", [RGB, GRAY, BGR], ids=["rgb", "gray", "bgr"])
@pytest.mark.parametrize("exif", [True, False])
def test_a_golden_png_gives_the_tensor_of_the_original(name, preprocess, exif):
    chosen = Preprocess.from_json({**preprocess.to_json(), "exif": exif})
    found = pixels(USABLE[name], chosen)
    png = as_png(found.image, chosen)
    assert np.array_equal(chosen.load(png), found.tensor)
    assert found.tensor.shape == chosen.input_shape[1:]
    assert Image.open(io.BytesIO(png)).info == {}


def test_an_image_is_upright_before_it_is_compared():
    assert pixels(_turned(), RGB).image.size == (14, 11)
    upright = pixels(_turned(), RGB).image
    assert pixels(_file(upright, "PNG"), RGB).identity == pixels(_turned(), RGB).identity


def test_copies_are_told_by_pixels_not_by_format_or_metadata():
    png = pixels(USABLE["gray"], RGB).identity
    assert pixels(_file(NOISE.convert("L").convert("RGB"), "BMP"), GRAY).identity == png
    assert pixels(_file(NOISE.convert("L"), "PNG", dpi=(72, 72)), RGB).identity == png


def test_the_same_bytes_in_another_shape_are_another_image():
    flat = np.arange(48, dtype=np.uint8)
    one = _file(Image.fromarray(flat.reshape(4, 12)), "PNG")
    other = _file(Image.fromarray(flat.reshape(12, 4)), "PNG")
    assert pixels(one, RGB).identity != pixels(other, RGB).identity


def _bomb(side=30_000):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"just some text", "not an image"),
        (USABLE["jpeg"][:-200], "(?i)truncated"),
        (USABLE["jpeg"][:30], "cannot be decoded|not an image"),
        (USABLE["gray"][:-40], "cannot be decoded"),
        (_bomb(), "decompression bomb"),
        (_bomb(11_400), "decompression bomb"),
        (b"DDS |\x00\x00\x00" + bytes(200), "not an image"),
    ],
    ids=["empty", "text", "truncated", "header", "short png", "bomb", "small bomb", "dds"],
)
def test_what_is_no_usable_image_is_refused_with_the_reason(data, reason):
    with quiet_decoders(), pytest.raises(ImageError, match=reason):
        pixels(data, RGB)


def test_damage_of_any_kind_is_an_image_error():
    dice = np.random.default_rng(5)
    with quiet_decoders():
        for name, original in USABLE.items():
            for _ in range(40):
                data = bytearray(original)
                for place in dice.integers(0, len(data), 6):
                    data[place] = dice.integers(0, 256)
                try:
                    found = pixels(bytes(data), RGB)
                except ImageError as error:
                    assert error.cause, name
                else:
                    assert found.tensor.shape == (8, 8, 3)
