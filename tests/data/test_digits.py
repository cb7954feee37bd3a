from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgecls.data import SplitFractions, load, prepare, scan, write_digits
from edgecls.device.preprocess import Preprocess
from edgecls.errors import DataError


def test_writes_every_digit_in_full_range_and_the_same_bytes_again(tmp_path):
    from sklearn.datasets import load_digits

    write_digits(tmp_path / "one")
    write_digits(tmp_path / "two")
    listing = scan(tmp_path / "one")
    assert listing.labels == tuple("0123456789")
    assert len(listing.entries) == 1797
    first = np.asarray(Image.open(tmp_path / "one/0/0000.png"))
    assert np.array_equal(first, np.rint(load_digits().images[0] * 255 / 16))
    for entry in listing.entries:
        one, two = (tmp_path / name / entry.path for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_starts_again_after_a_kill_and_leaves_a_whole_folder_alone(tmp_path):
    (tmp_path / "digits.part/0").mkdir(parents=True)
    (tmp_path / "digits.part/0/half.png").write_bytes(b"")
    write_digits(tmp_path / "digits")
    assert not (tmp_path / "digits/0/half.png").exists()
    (tmp_path / "digits/mine").write_text("kept")
    write_digits(tmp_path / "digits")
    assert (tmp_path / "digits/mine").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError):
        write_digits(tmp_path / "file")


def test_all_digits_are_different_images_and_prepare(tmp_path):
    write_digits(tmp_path / "digits")
    preprocess = Preprocess((8, 8), mode="L", mean=(0.5,), std=(0.25,))
    prepare(tmp_path / "digits", preprocess, SplitFractions(), 0, tmp_path / "out")
    data = load(tmp_path / "out")
    counts = [len(data[split][0]) for split in ("train", "validation", "test", "calibration")]
    assert sum(counts[:3]) == 1797
    assert counts[3] == 300
    assert len(data.golden) == 8


def test_importing_the_package_brings_neither_torch_nor_sklearn():
    code = "import sys, edgecls.data; print([m for m in ('torch', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
