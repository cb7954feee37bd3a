from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from edgecls.data import contact, describe, keep_contact, prepare
from edgecls.data.splits import SplitFractions
from edgecls.device.preprocess import Preprocess
from edgecls.rundir import read_file


def plain(colour, count, height=48, width=48):
    return [np.full((height, width, len(colour)), colour, np.uint8)] * count


def opened(sheet):
    return np.asarray(Image.open(io.BytesIO(sheet.jpeg)).convert("RGB")).astype(int)


def at(pixels, row, column):
    """The middle of a cell."""
    pitch = contact.SIDE + contact.GAP
    return pixels[row * pitch + contact.SIDE // 2, column * pitch + contact.SIDE // 2]


RED, GREEN = (255, 0, 0), (0, 255, 0)


def test_one_row_a_class_from_the_top():
    sheet = contact.sheet({"red": plain(RED, 3), "green": plain(GREEN, 1)})
    assert sheet.labels == ("red", "green") and sheet.columns == 3
    pixels = opened(sheet)
    assert pixels.shape == (98, 148, 3)
    assert np.abs(at(pixels, 0, 2) - RED).max() < 8
    assert np.abs(at(pixels, 1, 0) - GREEN).max() < 8
    assert np.abs(at(pixels, 1, 1) - 128).max() < 8


@pytest.mark.parametrize(("mode", "value"), [("BGR", (0, 0, 255)), ("L", (77,)), ("RGB", RED)])
def test_the_colours_are_those_that_the_mode_says(mode, value):
    expected = {"BGR": RED, "L": (77, 77, 77), "RGB": RED}[mode]
    pixels = opened(contact.sheet({"a": plain(value, 1)}, mode))
    assert np.abs(at(pixels, 0, 0) - expected).max() < 8


def test_images_keep_their_shape():
    pixels = opened(contact.sheet({"a": plain(RED, 1, height=10, width=100)}))
    assert np.abs(at(pixels, 0, 0) - RED).max() < 8
    assert np.abs(pixels[4, 24] - 128).max() < 8


def test_no_more_than_it_has_room_for_and_never_too_many_bytes():
    noise = np.random.default_rng(0)
    rows = {
        f"{n}": [noise.integers(0, 256, (96, 96, 3), np.uint8) for _ in range(14)]
        for n in range(30)
    }
    sheet = contact.sheet(rows)
    assert sheet.columns == contact.COLUMNS
    assert sheet.labels == tuple(str(n) for n in range(contact.CLASSES))
    assert 10_000 < len(sheet.jpeg) <= contact.MAX_BYTES


def test_a_sheet_of_nothing_is_a_picture():
    assert opened(contact.sheet({})).size
    assert opened(contact.sheet({"a": []})).size


def test_prepared_data_have_one_of_their_training_images(folder, tmp_path):
    prepare(folder({"a": 20, "b": 6}), Preprocess((8, 8)), SplitFractions(), 0, tmp_path / "out")
    about = describe(tmp_path / "out")["contact"]
    assert about == {"labels": ["a", "b"], "columns": 10, "pitch": 50}
    (tmp_path / "run").mkdir()
    kept = keep_contact(tmp_path / "out", about, tmp_path / "run")
    assert kept.keys() == {"contact", "labels", "columns", "pitch"}
    jpeg = read_file(tmp_path / "run", kept["contact"], "jpg")
    assert Image.open(io.BytesIO(jpeg)).size == (498, 98)
