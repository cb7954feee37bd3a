from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgecls.data import scan, sniff
from edgecls.errors import DataError


def test_sees_sizes_and_colour(folder):
    traits = sniff(scan(folder({"a": 5, "b": 4})))
    assert (traits.num_images, traits.num_classes, traits.num_sampled) == (9, 2, 9)
    assert (traits.median_height, traits.median_width) == (10, 12)
    assert not traits.grayscale
    assert traits.is_tiny


@pytest.mark.parametrize("mode", ["L", "LA", "1", "RGB", "P", "I;16"])
def test_gray_is_what_has_no_colour_however_it_is_stored(folder, mode):
    root = folder({"a": 0, "b": 0})
    gray = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70), np.uint8))
    for label in ("a", "b"):
        gray.convert(mode).save(root / label / "1.png")
    traits = sniff(scan(root))
    assert traits.grayscale
    assert not traits.is_tiny


def test_one_image_in_colour_is_enough(folder, paint):
    root = folder({"a": 0, "b": 1})
    Image.new("L", (9, 9)).save(root / "a/1.png")
    assert not sniff(scan(root)).grayscale


def test_sizes_are_those_of_upright_images(folder):
    root = folder({"a": 0, "b": 0})
    exif = Image.Exif()
    exif[0x0112] = 8
    for label in ("a", "b"):
        Image.new("RGB", (100, 40)).save(root / label / "1.jpg", exif=exif)
    traits = sniff(scan(root))
    assert (traits.median_height, traits.median_width) == (100, 40)


def test_damaged_files_do_not_count(folder):
    root = folder({"a": 3, "b": 3})
    for index in range(5):
        (root / f"a/bad{index}.jpg").write_bytes(b"\xff\xd8\xff" * index)
    assert sniff(scan(root)).num_sampled == 6


def test_the_sample_is_the_same_every_time_and_not_of_test(folder):
    root = folder({"train/a": 30, "train/b": 30, "test/a": 5, "test/b": 5})
    listing = scan(root)
    assert sniff(listing, 7) == sniff(listing, 7)
    assert sniff(listing, 7).num_sampled == 7
    assert sniff(listing).num_sampled == 60


def test_no_image_at_all_is_an_error(folder):
    root = folder({"a": 0, "b": 0})
    (root / "a/1.txt").write_text("a")
    (root / "b/1.txt").write_text("b")
    with pytest.raises(DataError, match="none of 2 files") as caught:
        sniff(scan(root))
    assert caught.value.fix
