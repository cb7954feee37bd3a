"""Every kind of picture through the C++ kit, with sanitizers: the harness's tensor, or an error."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecls.device.preprocess import ImageError, Preprocess

Check = Callable[..., list[dict[str, Any]]]
GRAY = Preprocess((9, 11), mode="L", mean=(0.5,), std=(0.25,))
COLOUR = Preprocess((9, 11))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(depth: int, colour: int, rows: list[bytes], *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 12 columns, whose rows are given as stored."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 12, len(rows), depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", head), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@lru_cache(maxsize=1)
def pictures() -> dict[str, bytes]:
    """Every kind of JPEG and PNG that a camera, a scanner or a program makes."""
    random = np.random.default_rng(0)
    rgb = Image.fromarray(random.integers(0, 256, (14, 20, 3), np.uint8))
    alpha = Image.fromarray(random.integers(0, 256, (14, 20), np.uint8))
    rgba, gray = rgb.copy(), rgb.convert("L")
    rgba.putalpha(alpha)
    palette = rgb.quantize(16)
    wide = Image.fromarray(random.integers(0, 65536, (14, 20), np.uint16))
    found = {
        "RGB": encoded(rgb), "L": encoded(gray), "1": encoded(gray.convert("1")),
        "RGBA": encoded(rgba), "LA": encoded(rgba.convert("LA")), "P": encoded(palette),
        "P, one transparent": encoded(palette, transparency=3),
        "P, some transparent": encoded(palette, transparency=bytes([0, 128, 255, 7])),
        "P of 4 colours": encoded(rgb.quantize(4)), "P of 2 colours": encoded(rgb.quantize(2)),
        "RGB, one transparent": encoded(rgb, transparency=rgb.getpixel((3, 3))),
        "L, one transparent": encoded(gray, transparency=gray.getpixel((3, 3))),
        "1, transparent": encoded(gray.convert("1"), transparency=255),
        "16 bits": encoded(wide),
        "16 bits, but small": encoded(Image.fromarray(np.asarray(gray).astype(np.uint16))),
        "RGB of 16 bits": png(16, 2, [random.bytes(72) for _ in range(10)]),
        "RGBA of 16 bits": png(16, 6, [random.bytes(96) for _ in range(10)]),
        "LA of 16 bits": png(16, 4, [random.bytes(48) for _ in range(10)]),
        "gray of 4 bits": png(4, 0, [random.bytes(6) for _ in range(10)]),
        "gray of 2 bits": png(2, 0, [random.bytes(3) for _ in range(10)], (b"tRNS", b"\0\0")),
        "a short palette": png(8, 3, [bytes(range(12))] * 9, (b"PLTE", bytes(range(9)))),
        "JPEG": encoded(rgb, "JPEG"), "JPEG gray": encoded(gray, "JPEG"),
        "JPEG progressive": encoded(rgb, "JPEG", progressive=True),
        "JPEG 4:2:0": encoded(rgb.resize((333, 217)), "JPEG", subsampling=2, quality=60),
        "JPEG 4:4:4": encoded(rgb.resize((333, 217)), "JPEG", subsampling=0),
        "JPEG CMYK": encoded(rgb.convert("CMYK"), "JPEG"),
    }  # fmt: skip
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found[f"JPEG turned {orientation}"] = encoded(rgb, "JPEG", exif=exif)
        found[f"PNG turned {orientation}"] = encoded(rgb, exif=exif)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    found["turned by XMP"] = encoded(rgb, "JPEG", xmp=xmp)
    return found


@pytest.mark.parametrize("how", [COLOUR, GRAY, Preprocess((14, 20), exif=False)])
def test_every_picture_gives_the_harnesss_tensor(
    sanitized: Check, tmp_path: Path, how: Preprocess
) -> None:
    cases = pictures()
    requests, expected = [], {}
    for index, (name, data) in enumerate(cases.items()):
        path = tmp_path / str(index)
        path.write_bytes(data)
        try:
            expected[name] = how.load(data)
        except ImageError:
            expected[name] = None  # Pillow itself refuses a palette that is too short
        requests.append({
            "do": "preprocess", "preprocess": how.to_json(), "images": [str(path)],
            "output": f"{path}.npy",
        })  # fmt: skip
    different = {}
    for index, (name, answer) in enumerate(zip(cases, sanitized(requests), strict=True)):
        if expected[name] is None:
            continue
        assert answer["errors"] == [], name
        difference = abs(np.load(tmp_path / f"{index}.npy")[0].astype(int) - expected[name])
        # libjpegs differ; PNGs have one meaning.
        if difference.max() > (4 if "JPEG" in name or "XMP" in name else 0):
            different[name] = int(difference.max())
    assert different == {}


def spoilt_pictures() -> dict[str, bytes]:
    jpeg, image = (
        encoded(Image.effect_noise((40, 30), 90).convert("RGB"), k) for k in ("JPEG", "PNG")
    )
    head = image.index(b"IHDR")
    size = struct.pack(">II", 1 << 30, 1 << 30)
    bomb = image[: head + 4] + size + image[head + 12 : head + 17]
    bomb += struct.pack(">I", zlib.crc32(bomb[head:])) + image[head + 21 :]
    return {
        "empty": b"",
        "text": b"<html>404</html>",
        "zeros": bytes(100),
        "half a JPEG": jpeg[: len(jpeg) // 2],
        "nine tenths of a JPEG": jpeg[: len(jpeg) * 9 // 10],
        "half a JPEG with an end in its middle": jpeg[: len(jpeg) // 2] + b"\xff\xd9"[:1],
        "a JPEG's head": jpeg[:20],
        "half a PNG": image[: len(image) // 2],
        "a PNG's head": image[:8],
        "a bomb": bomb,
        "a webp": encoded(Image.new("RGB", (8, 8)), "WEBP"),
    }


def test_a_spoilt_picture_is_an_error_and_no_more(sanitized: Check, tmp_path: Path) -> None:
    cases = spoilt_pictures()
    random = np.random.default_rng(0)
    for number in range(60):  # and bytes that a disk has changed: whatever comes of them
        name = ("RGB", "JPEG", "P, some transparent", "JPEG turned 6", "PNG turned 6")[number % 5]
        data = bytearray(pictures()[name])
        for at in random.integers(0, len(data), 8):
            data[at] = random.integers(0, 256)
        cases[f"changed {number}"] = bytes(data)
    for index, data in enumerate(cases.values()):
        (tmp_path / str(index)).write_bytes(data)
    request = {"do": "preprocess", "preprocess": COLOUR.to_json(), "output": str(tmp_path / "out")}
    answers = sanitized(
        [{**request, "images": [str(tmp_path / str(i))]} for i in range(len(cases))]
    )
    for (name, data), answer in zip(cases.items(), answers, strict=True):
        assert answer["ok"]
        if not name.startswith("changed"):
            assert len(answer["errors"]) == 1, name
            with pytest.raises(ImageError):
                COLOUR.load(data) if name != "a webp" else COLOUR.load(b"")


def test_a_preprocess_that_the_harness_refuses_is_refused(sanitized: Check, tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {"resize": "fit"}, {"interpolation": "area"}, {"mode": "HSV"}, {"mode": ["RGB"]},
        {"size": [0, 8]}, {"size": [8]}, {"size": 8}, {"size": ["8", "8"]}, {"size": [8.0, 8.0]},
        {"size": [10**8, 10**8]}, {"size": [10**30, 1]}, {"crop_ratio": 0}, {"crop_ratio": 1.1},
        {"crop_ratio": "1"}, {"fill": 256}, {"fill": 0.5}, {"antialias": "no"}, {"exif": 1},
        {"interpolation": "lanczos", "antialias": False}, {"mean": [0.5]}, {"mode": "L"},
        {"std": [0.2, 0.2, "0.2"]}, {"std": [0.2, 0.2, 0.0]}, {"std": []}, {"more": 1},
    ]  # fmt: skip
    given = [{**COLOUR.to_json(), **change} for change in changes]
    requests = [
        {"do": "preprocess", "preprocess": each, "images": [], "output": ""} for each in given
    ]
    for change, answer in zip(changes, sanitized(requests), strict=True):
        assert not answer["ok"] and answer["error"].startswith("preprocess: "), change
    # A size that only comes out of the division.
    tall = {**COLOUR.to_json(), "resize": "shortest", "crop_ratio": 1e-9}
    (tmp_path / "image").write_bytes(encoded(Image.new("RGB", (9, 9))))
    (answer,) = sanitized([
        {"do": "preprocess", "preprocess": tall, "images": [str(tmp_path / "image")],
         "output": str(tmp_path / "out")}
    ])  # fmt: skip
    assert "too large" in answer["errors"][0]
