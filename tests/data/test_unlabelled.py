"""Images without labels: decoded once, none that is scored, none twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecls.data import unlabelled
from edgecls.data.unlabelled import Joined
from edgecls.errors import DataError, UsageError


@pytest.fixture
def folder(tiny_data, tmp_path) -> Path:
    """Four fresh images, one of them twice, one of validation, one of test, and two damaged."""
    random = np.random.default_rng(0)
    root = tmp_path / "more"
    (root / "deep" / "er").mkdir(parents=True)
    for number in range(4):
        fresh = random.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(fresh).save(root / f"{number}.png")
        if number == 1:
            Image.fromarray(fresh).save(root / "deep" / "er" / "again.png")
    for split in ("validation", "test"):
        image = np.asarray(tiny_data[split][0][3])[..., 0]
        Image.fromarray(image).save(root / "deep" / f"{split}.png")
    (root / "empty.png").write_bytes(b"")
    (root / "text.png").write_text("no image")
    return root


def test_what_is_scored_or_repeats_or_is_damaged_is_left_out(tiny_data, folder, tmp_path):
    found = unlabelled.load(folder, tiny_data, tmp_path)
    assert found.images.shape == (4, *tiny_data.preprocess.input_shape[1:])
    assert found.left_out == {
        unlabelled.DAMAGED: 2,
        unlabelled.HELD_OUT: 2,
        unlabelled.REPEATED: 1,
    }


def test_they_are_decoded_once(tiny_data, folder, tmp_path):
    first = np.array(unlabelled.load(folder, tiny_data, tmp_path).images)
    for file in folder.glob("*.png"):
        file.unlink()
    assert np.array_equal(unlabelled.load(folder, tiny_data, tmp_path).images, first)


def test_a_folder_without_a_usable_image_is_refused(tiny_data, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.jpg").write_text("no image")
    with pytest.raises(DataError, match="no image that can be used: 1 cannot be decoded"):
        unlabelled.load(tmp_path / "bad", tiny_data, tmp_path)


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_what_is_no_folder_of_files_is_refused(tiny_data, tmp_path, kind):
    path = tmp_path / kind
    if kind == "file":
        path.write_text("x")
    elif kind == "empty":
        path.mkdir()
    with pytest.raises(DataError if kind == "empty" else UsageError):
        unlabelled.load(path, tiny_data, tmp_path)


def test_the_name_of_a_content_changes_with_a_byte(folder, tmp_path):
    first = unlabelled.sha256_of(folder)
    (folder / "0.png").write_bytes(b"other")
    unlabelled.sha256_of.cache_clear()
    assert unlabelled.sha256_of(folder) != first


def test_joined_splits_are_indexed_as_one_array():
    random = np.random.default_rng(1)
    first, second = (random.integers(0, 256, (n, 2, 2, 1), dtype=np.uint8) for n in (5, 3))
    whole, joined = np.concatenate([first, second]), Joined(first, second)
    assert len(joined) == 8 and joined.shape == whole.shape and joined.nbytes == whole.nbytes
    for key in (0, 4, 5, -1, slice(2, 7), slice(None, None, 2), [7, 0, 5], np.arange(3, 8)):
        assert np.array_equal(joined[key], whole[key])
    assert np.array_equal(np.asarray(joined), whole)
    assert np.array_equal(np.stack(list(joined)), whole)
    with pytest.raises(IndexError):
        joined[8]
