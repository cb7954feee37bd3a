"""Labels for images, and accuracy on a folder."""

from __future__ import annotations

import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecls.device import classify, meta
from edgecls.device.errors import EdgeclsError
from edgecls.device.stats import wilson


class Brightness:
    """Says class 0 of a dark image and class 1 of a bright one."""

    def run(self, images: np.ndarray) -> np.ndarray:
        bright = images.reshape(len(images), -1).mean(axis=1) / 255
        return np.stack([1 - bright, bright], axis=1).astype(np.float32)


@pytest.fixture
def description(tiny_bundle: Path) -> meta.Meta:
    return replace(meta.read(str(tiny_bundle)), labels=("dark", "Käfer"))


def paint(path: Path, gray: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (5, 5), gray).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three of four are right."""
    paint(tmp_path / "dark/a.png", 10)
    paint(tmp_path / "dark/deeper/b.png", 20)
    paint(tmp_path / "Käfer/a.png", 250)
    paint(tmp_path / "Käfer/b.png", 5)
    return tmp_path


def test_accuracy_counts_every_image_below_a_labels_folder(
    folder: Path, description: meta.Meta
) -> None:
    found = classify.evaluate(str(folder), description, Brightness())
    low, high = wilson(3, 4)
    expected = {"top1": 0.75, "top1_low": low, "top1_high": high, "num_images": 4, "skipped": []}
    assert found == {"ok": True, **expected}


def test_what_is_no_image_or_no_label_is_listed_and_left_out(
    folder: Path, description: meta.Meta
) -> None:
    (folder / "dark/notes.txt").write_text("not an image")
    (folder / "dark/empty.png").write_bytes(b"")
    paint(folder / "other/a.png", 10)
    (folder / "README.md").write_text("of the folder itself")
    found = classify.evaluate(str(folder), description, Brightness())
    assert found["num_images"] == 4
    assert {Path(row["file"]).name: row["reason"] for row in found["skipped"]} == {
        "other": "no label of this model",
        "notes.txt": "not an image, or of a format that is not read",
        "empty.png": "empty file",
    }


def test_a_label_is_found_however_its_folder_spells_an_accent(
    folder: Path, description: meta.Meta
) -> None:
    decomposed = unicodedata.normalize("NFD", "Käfer")
    assert decomposed != "Käfer"
    (folder / "Käfer").rename(folder / decomposed)
    assert classify.evaluate(str(folder), description, Brightness())["num_images"] == 4


def test_a_label_of_bytes_that_are_not_utf_8_is_the_hosts() -> None:
    assert classify.label_of("caf\udce9") == "caf\\xe9"
    assert classify.label_of("plain") == "plain"


@pytest.mark.parametrize("content", ["nothing", "a file", "no label", "no image"])
def test_a_folder_without_images_of_a_label_is_an_error(
    tmp_path: Path, description: meta.Meta, content: str
) -> None:
    root = tmp_path / "root"
    if content == "a file":
        root.write_bytes(b"")
    elif content == "no label":
        paint(root / "other/a.png", 1)
    elif content == "no image":
        (root / "dark").mkdir(parents=True)
    message = {
        "nothing": "cannot be read: No such file",
        "a file": "cannot be read: Not a directory",
        "no label": "no folder named like one of the labels\n  fix: labels: dark, Käfer",
        "no image": "has no image that can be read",
    }[content]
    with pytest.raises(EdgeclsError, match=message):
        classify.evaluate(str(root), description, Brightness())


def test_predictions_are_sorted_and_an_unreadable_image_costs_only_itself(
    folder: Path, description: meta.Meta
) -> None:
    (folder / "text.png").write_text("not an image")
    paths = [str(folder / name) for name in ("dark/a.png", "text.png", "none", "Käfer/a.png")]
    found = classify.predict(paths, description, Brightness())
    assert not found["ok"]
    first, text, missing, last = found["predictions"]
    assert [row["file"] for row in found["predictions"]] == paths
    assert (first["label"], last["label"]) == ("dark", "Käfer")
    assert "not an image" in text["error"]
    assert "No such file" in missing["error"]
    assert [label for label, _ in last["top"]] == ["Käfer", "dark"]
    assert last["confidence"] == last["top"][0][1] > last["top"][1][1]
    assert sum(share for _, share in last["top"]) == pytest.approx(1)
    assert classify.predict(paths[:1], description, Brightness())["ok"]


def test_temperature_and_reject_threshold_are_the_bundles(
    folder: Path, description: meta.Meta
) -> None:
    image = [str(folder / "dark/a.png")]
    sharp = replace(description, postprocess=meta.Postprocess(0.1, 0.9))
    unsure = replace(description, postprocess=meta.Postprocess(10.0, 0.9))
    first, second = (
        classify.predict(image, d, Brightness())["predictions"][0] for d in (sharp, unsure)
    )
    assert (first["rejected"], second["rejected"]) == (False, True)
    assert first["label"] == second["label"] == "dark"
    assert first["confidence"] > 0.99 > 0.6 > second["confidence"]


def test_at_most_five_labels_are_told(folder: Path, tiny_bundle: Path) -> None:
    class Ten:
        def run(self, images: np.ndarray) -> np.ndarray:
            return np.arange(10, dtype=np.float32)[None]

    description = meta.read(str(tiny_bundle))
    copy = shutil.copyfile(folder / "dark/a.png", folder / "copy.png")
    (row,) = classify.predict([str(copy)], description, Ten())["predictions"]
    assert [label for label, _ in row["top"]] == ["9", "8", "7", "6", "5"]
