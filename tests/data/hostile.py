"""A folder as the world makes them: two hundred hostile files among good images.

`make` writes it and says of every file what becomes of it. Used by more than one test, so it needs
nothing but numpy and Pillow. Policies that it holds: of an animation the first frame is the image;
16 bits are scaled to 8, transparency is laid over white, EXIF's rotation is applied; the content
says what a file is, its name does not.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

LABELS = ("cat", "dog", "猫")
GOOD_PER_CLASS = 12
USED, IGNORED = "used", "ignored"
_NUM_HOSTILE = 200
_SIDES = (24, 40)
_ORIENTATION = 0x0112


def make(folder: Path, seed: int = 0) -> Mapping[str, str]:
    """Fill the new folder `folder`; path below it, as it can be opened -> what is expected.

    ``used``; ``ignored`` (hidden: not even listed); else a part of the reason in the list of what
    was left out. The classes are LABELS. All good images have different pixels.
    """
    random = np.random.default_rng(seed)
    expected: dict[str, str] = {}
    for label in LABELS:
        (folder / label).mkdir(parents=True)
        for number in range(GOOD_PER_CLASS):
            name = f"{label}/good {number:02d}.png"
            _noise(random).save(folder / name)
            expected[name] = USED
    kinds = [*_images(random), *_broken(random)]
    for index in range(_NUM_HOSTILE - len(_ODD) - 1):
        name, data, expectation = kinds[index % len(kinds)]
        # Round again with new pixels: the same ones would be duplicates.
        if index >= len(kinds) and expectation == USED:
            name, data = f"again-{index}.webp", _saved(_noise(random), "WEBP", lossless=True)
        path = f"{LABELS[index % len(LABELS)]}/{index:03d} {name}"
        (folder / path).write_bytes(data)
        expected[path] = expectation
    raw = os.fsencode(folder / "dog") + b"/caf\xe9 \xff.png"
    Path(os.fsdecode(raw)).write_bytes(_saved(_noise(random), "PNG"))
    expected[os.fsdecode(b"dog/caf\xe9 \xff.png")] = USED
    for path, expectation, place in _ODD:
        place(folder / path, folder)
        expected[path] = expectation
    return expected


def _noise(random: np.random.Generator, mode: str = "RGB") -> Image.Image:
    height, width = random.integers(*_SIDES, 2)
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    return Image.frombytes(mode, (int(width), int(height)), random.bytes(height * width * channels))


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _images(random: np.random.Generator) -> Iterator[tuple[str, bytes, str]]:
    """What can be used, however strange it is."""

    def noise(mode: str = "RGB") -> Image.Image:
        return _noise(random, mode)

    def moving(kind: str) -> bytes:
        first, *others = (noise().resize((32, 24)) for _ in range(3))
        return _saved(first, kind, save_all=True, append_images=others)

    wide = random.integers(0, 65536, (20, 30), np.uint16)
    turned = Image.Exif()
    turned[_ORIENTATION] = 6
    palette = noise("L").convert("P")
    yield "cmyk.jpg", _saved(noise("CMYK"), "JPEG"), USED
    yield "gray.jpg", _saved(noise("L"), "JPEG"), USED
    yield "progressive.jpg", _saved(noise(), "JPEG", progressive=True), USED
    yield "turned.jpg", _saved(noise(), "JPEG", exif=turned), USED
    yield "trailing.jpg", _saved(noise(), "JPEG") + b"\0" * 500 + b"and some text", USED
    yield "broken-exif.jpg", _with_exif(_saved(noise(), "JPEG"), b"Exif\0\0MM\0*garbage"), USED
    yield "two.mpo", moving("MPO"), USED
    yield "16-bit.png", _saved(Image.fromarray(wide), "PNG"), USED
    yield "rgba.png", _saved(noise("RGBA"), "PNG"), USED
    yield "la.png", _saved(noise("LA"), "PNG"), USED
    yield "1-bit.png", _saved(noise("L").convert("1"), "PNG"), USED
    yield "palette.png", _saved(palette, "PNG", transparency=3), USED
    yield "one-pixel.png", _saved(noise().resize((1, 1)), "PNG"), USED
    yield "long.png", _saved(noise().resize((2000, 1)), "PNG"), USED
    yield "tall.png", _saved(noise().resize((1, 2000)), "PNG"), USED
    yield "moving.png", moving("PNG"), USED
    yield "moving.gif", moving("GIF"), USED
    yield "moving.webp", moving("WEBP"), USED
    yield "alpha.webp", _saved(noise("RGBA"), "WEBP", lossless=True), USED
    yield "plain.bmp", _saved(noise(), "BMP"), USED
    yield "palette.bmp", _saved(noise("L").convert("P"), "BMP"), USED
    yield "plain.tiff", _saved(noise(), "TIFF"), USED
    yield "deflated.tif", _saved(noise(), "TIFF", compression="tiff_deflate"), USED
    yield "lzw.tif", _saved(noise("CMYK"), "TIFF", compression="tiff_lzw"), USED
    yield "pages.tif", moving("TIFF"), USED
    floats = random.random((20, 20)).astype(np.float32) * 255
    yield "float.tif", _saved(Image.fromarray(floats), "TIFF"), USED
    yield "plain.ppm", _saved(noise(), "PPM"), USED
    yield "plain.tga", _saved(noise(), "TGA"), USED
    yield "jpeg called.png", _saved(noise(), "JPEG"), USED
    yield "png called.jpg", _saved(noise(), "PNG"), USED
    yield "webp called.txt", _saved(noise(), "WEBP"), USED
    yield "no extension", _saved(noise(), "PNG"), USED
    yield "new\nline.png", _saved(noise(), "PNG"), USED
    yield "tab\t<b>&amp;'\".png", _saved(noise(), "PNG"), USED
    yield "собака кошка.png", _saved(noise(), "PNG"), USED
    yield "\u202ereversed.png", _saved(noise(), "PNG"), USED
    yield "🐈" * 30 + ".png", _saved(noise(), "PNG"), USED
    yield "-rf *.png", _saved(noise(), "PNG"), USED


def _broken(random: np.random.Generator) -> Iterator[tuple[str, bytes, str]]:
    """What is no image that can be used: the last is a part of the reason."""
    jpeg = _saved(_noise(random).resize((200, 200)), "JPEG")
    png = _saved(_noise(random).resize((200, 200)), "PNG")
    gif = _saved(_noise(random).resize((200, 200)), "GIF")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr("bomb.png", b"\0" * 10_000_000)
    none, bad, cut = "not an image", "cannot be decoded", "truncated"
    yield "empty.jpg", b"", "empty file"
    yield "text.jpg", b"this is not the image you are looking for\n", none
    yield "page.jpg", b"<!doctype html><title>404 Not Found</title>", none
    yield "zeros.png", b"\0" * 4096, none
    yield "noise.jpg", random.bytes(4096), none
    yield "vector.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9"/></svg>', none
    yield "phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), none
    yield "paper.pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n", none
    yield "program.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", none
    yield "program.png", b"\x7fELF" + bytes(200), none
    yield "bomb.zip", archive.getvalue(), none
    yield "bomb.png.gz", gzip.compress(b"\0" * 1_000_000), none
    yield "bomb.png", _png_header(30_000, 30_000), "decompression bomb"
    yield "half-bomb.png", _png_header(9_500, 9_500), "decompression bomb"
    yield "bomb.gif", b"GIF89a" + struct.pack("<HH", 65_000, 65_000) + bytes(20), none
    yield "header.jpg", jpeg[:20], ""
    yield "cut.jpg", jpeg[: len(jpeg) // 2], ""
    yield "no-end.jpg", jpeg[:-2], cut
    yield "header.png", png[:30], ""
    yield "cut.png", png[: len(png) // 2], ""
    yield "bad-checksum.png", png[:60] + bytes([png[60] ^ 255]) + png[61:], bad
    yield "header.gif", gif[:10], ""
    yield "cut.gif", gif[: len(gif) // 2], ""
    yield "cut.webp", _saved(_noise(random), "WEBP", lossless=True)[:60], ""
    yield "cut.bmp", _saved(_noise(random), "BMP")[:100], ""
    yield "cut.tif", _saved(_noise(random), "TIFF")[:100], ""
    yield "text-bomb.png", _png_text_bomb(), ""


def _png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and has next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"")) + _END


def _png_text_bomb() -> bytes:
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    text = b"Comment\0\0" + zlib.compress(b" " * 200_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"zTXt", text) + _END


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


_END = _chunk(b"IEND", b"")


def _with_exif(jpeg: bytes, exif: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def _link(target: str) -> Callable[[Path, Path], None]:
    return lambda path, root: path.symlink_to(root / target)


# What is no file at all: path, what is expected, how it is made.
_ODD: tuple[tuple[str, str, Callable[[Path, Path], None]], ...] = (
    ("cat/pipe.jpg", "not a regular file", lambda path, root: os.mkfifo(path)),
    ("cat/linked-pipe.jpg", "not a regular file", _link("cat/pipe.jpg")),
    ("cat/device.png", "not a regular file", lambda path, root: path.symlink_to("/dev/zero")),
    ("cat/dangling.jpg", "broken link", _link("nowhere.jpg")),
    ("cat/itself.jpg", "broken link", _link("cat/itself.jpg")),
    ("dog/loop", "again", _link("dog")),
    ("dog/up", "again", _link(".")),
    ("dog/folder.jpg", IGNORED, lambda path, root: path.mkdir()),
    ("dog/.hidden.png", IGNORED, lambda path, root: path.write_bytes(b"")),
    ("dog/Thumbs.db", IGNORED, lambda path, root: path.write_bytes(b"\xd0\xcf\x11\xe0")),
    ("read me.txt", "outside the class folders", lambda path, root: path.write_text("hi")),
)
