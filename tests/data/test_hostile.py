"""A hostile folder goes through: nothing hangs, nothing is lost without a word."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgecls.data import SplitFractions, describe, load, prepare, scan, sniff
from edgecls.data.images import quiet_decoders
from edgecls.data.inspection import inspect
from edgecls.data.listing import printable
from edgecls.device.preprocess import Preprocess

spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
assert spec and spec.loader
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(root, path -> what is expected of it, prepared folder)."""
    base = tmp_path_factory.mktemp("hostile")
    root = base / "images"
    expected = hostile.make(root, seed=1)
    prepare(root, Preprocess((32, 32)), SplitFractions(), 0, base / "out")
    return root, expected, base / "out"


def test_it_holds_two_hundred_hostile_files_of_many_kinds(made):
    _, expected, _ = made
    odd = [path for path in expected if "good" not in path]
    assert len(odd) == 200
    assert len({Path(path).suffix for path in odd}) > 15
    assert Counter(expected.values())["used"] > 100


def test_every_readable_one_is_used_and_every_bad_one_is_listed_with_its_reason(made):
    _, expected, out = made
    told = describe(out)
    used = {
        row["path"] for split in ("train", "validation", "test") for row in told["splits"][split]
    }
    reasons = {row["file"]: row["reason"] for row in told["skipped"]}
    assert told["duplicates"] == []
    wrong = {}
    for path, what in expected.items():
        shown = printable(path)
        if what == hostile.USED:
            right = shown in used and shown not in reasons
        elif what == hostile.IGNORED:
            right = shown not in used and shown not in reasons
        else:
            right = shown not in used and what in reasons.get(shown, "-") and reasons[shown]
        if not right:
            wrong[shown] = (what, reasons.get(shown))
    assert wrong == {}
    assert set(reasons) <= {printable(path) for path in expected}


def test_the_tensors_are_those_of_the_files(made):
    root, expected, out = made
    data, told = load(out), describe(out)
    by_name = {printable(path): path for path in expected}
    with quiet_decoders():
        for split in ("train", "validation", "test"):
            for row, tensor in zip(told["splits"][split], data[split][0], strict=True):
                again = data.preprocess.load(os.fspath(root / by_name[row["path"]]))
                assert np.array_equal(again, tensor), row["path"]


def test_of_an_animation_the_first_frame_is_the_image_and_16_bits_are_scaled(tmp_path):
    from PIL import Image

    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        path = tmp_path / f"x.{kind}"
        first.save(path, kind, save_all=True, append_images=[second], **options)
        assert (Preprocess((8, 8)).load(path) == (255, 0, 0)).all()
    Image.fromarray(np.full((8, 8), 32768, np.uint16)).save(tmp_path / "wide.png")
    assert (Preprocess((8, 8)).load(tmp_path / "wide.png") == 128).all()


def test_it_can_be_sniffed_and_inspected(made):
    root, expected, _ = made
    listing = scan(root)
    assert sniff(listing).num_classes == 3
    found, sheet = inspect(listing, "hostile")
    assert found.num_images == Counter(expected.values())["used"]
    assert found.num_exif_rotated > 0
    assert found.num_animated >= 4
    assert {"CMYK", "RGBA", "LA", "P", "1", "L", "F"} <= set(found.modes)
    assert {"JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "MPO"} <= set(found.formats)
    assert len(found.corrupt) + len(found.skipped) + found.num_images == len(
        [what for what in expected.values() if what != "ignored"]
    )
    assert sheet.labels == hostile.LABELS
