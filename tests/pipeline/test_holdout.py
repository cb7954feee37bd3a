"""A model is scored on what it has not seen, and whoever asks for more is told."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgecls.errors import DataError, UsageError
from edgecls.models.checkpoint import marks
from edgecls.pipeline import holdout, subject
from edgecls.pipeline.workshop import Workshop
from edgecls.recipe import parse
from edgecls.store import Store


@pytest.fixture
def look(tmp_path, told):
    """look(folder, model, split) -> Holdout"""

    def run(folder, model, split=None, **data):
        tables = {"threads": 1, "data": {"path": str(folder), "calibration": 20, **data}}
        workshop = Workshop(Store(tmp_path / "store"), parse(tables), told)
        return holdout.choose(workshop, model, holdout.look(workshop), split)

    return run


@pytest.fixture
def model(tiny_checkpoint):
    return subject.read(tiny_checkpoint)


def test_what_it_was_trained_and_chosen_on_is_left_out(look, model, digit_images, tiny_data):
    found = look(digit_images, model)
    test_images, test_classes = tiny_data["test"]
    assert sorted(marks(found.images)) == sorted(marks(test_images))
    assert found.split == "not seen in training" and not found.warnings
    assert f"{120 - len(test_classes)} of 120 images left out" in found.notes[0]
    by_mark = dict(zip(marks(test_images).tolist(), test_classes.tolist(), strict=True))
    assert [by_mark[m] for m in marks(found.images).tolist()] == found.classes.tolist()
    for file, number in zip(found.files, found.classes, strict=True):
        assert file.startswith(f"{number}/")


def test_new_images_are_all_scored(look, model, tmp_path):
    for label in "01":
        (tmp_path / "new" / label).mkdir(parents=True)
        for i in range(3):
            image = Image.fromarray(np.full((8, 8), 20 * i + int(label), np.uint8))
            image.save(tmp_path / "new" / label / f"{i}.png")
    found = look(tmp_path / "new", model)
    assert found.split == "all" and len(found.files) == 6 and not found.warnings
    assert found.classes.tolist() == [0, 0, 0, 1, 1, 1]
    assert "no images of these classes of the model: '2'" in found.notes[0]


def test_where_every_image_was_seen_the_figures_are_marked(look, model, digit_images, tmp_path):
    seen = replace(model, seen=marks(look(digit_images, model, "all").images))
    found = look(digit_images, seen)
    assert len(found.files) == 120
    assert "every image was trained on" in found.warnings[0]


def test_a_model_that_knows_only_the_folder_has_its_test_split_drawn_again(
    look, model, digit_images, tiny_data
):
    forgetful = replace(model, seen=model.seen[:0])
    found = look(digit_images, forgetful, validation=0.2, test=0.2)
    assert found.split == "test"
    assert sorted(marks(found.images)) == sorted(marks(tiny_data["test"][0]))
    assert "data.validation = 0.2 and data.test = 0.2" in found.warnings[0]


def test_a_model_of_other_images_is_scored_on_all(look, model, digit_images):
    stranger = replace(model, seen=model.seen[:0], provenance={"data": "other"})
    found = look(digit_images, stranger)
    assert len(found.files) == 120 and not found.warnings


def test_asking_for_seen_images_is_answered_with_a_warning(look, model, digit_images):
    found = look(digit_images, model, "all")
    assert len(found.files) == 120
    assert "it was trained or chosen on" in found.warnings[0]
    assert "of these 120 images" in found.warnings[0]
    drawn = look(digit_images, model, "train", validation=0.2, test=0.2)
    assert drawn.split == "train" and drawn.warnings
    assert not look(digit_images, model, "test", validation=0.2, test=0.2).warnings


def test_a_given_test_split_is_scored(look, model, digit_images, tmp_path):
    for split, numbers in (("train", range(8)), ("test", range(8, 12))):
        for label in "0123456789":
            (tmp_path / "given" / split / label).mkdir(parents=True)
            for path in sorted((digit_images / label).iterdir())[numbers.start : numbers.stop]:
                shutil.copy(path, tmp_path / "given" / split / label)
    found = look(tmp_path / "given", model)
    assert found.split == "test" and len(found.files) == 40
    assert all(file.startswith("test/") for file in found.files)
    # The test split of another draw: some of it was trained on.
    assert "it was trained or chosen on" in found.warnings[0]
    new = replace(model, seen=model.seen[:0])
    assert not look(tmp_path / "given", new).warnings


def test_unknown_classes_are_refused_by_name(look, model, digit_images, tmp_path):
    shutil.copytree(digit_images, tmp_path / "more")
    (tmp_path / "more" / "3").rename(tmp_path / "more" / "three")
    with pytest.raises(UsageError, match="does not know these classes of the images: 'three'"):
        look(tmp_path / "more", model)


def test_labels_are_matched_by_name_and_not_by_number(look, model, digit_images, tmp_path):
    for label in "37":
        shutil.copytree(digit_images / label, tmp_path / "two" / label)
    found = look(tmp_path / "two", model, "all")
    assert sorted(set(found.classes.tolist())) == [3, 7]


def test_damaged_files_are_listed_and_copies_count_once(look, model, digit_images, tmp_path):
    folder = tmp_path / "some"
    for label in "01":
        shutil.copytree(digit_images / label, folder / label)
    (folder / "0" / "broken.png").write_bytes(b"\x89PNG no more")
    first = sorted((folder / "1").iterdir())[0]
    shutil.copy(first, folder / "1" / "copy.png")
    both = sorted((folder / "0").glob("0*.png"))[0]
    shutil.copy(both, folder / "1" / "contradiction.png")
    found = look(folder, model, "all")
    assert [each["file"] for each in found.skipped] == ["0/broken.png"]
    assert "1/copy.png" not in found.files and "1/contradiction.png" not in found.files
    assert len(found.files) == 23
    assert "2 images left out: they stand in several classes" in found.notes
    assert "1 images left out as copies of others" in found.notes


def test_a_folder_without_any_image_is_refused(look, model, tmp_path):
    for label in "01":
        (tmp_path / "bad" / label).mkdir(parents=True)
        (tmp_path / "bad" / label / "x.png").write_bytes(b"no")
    with pytest.raises(DataError, match="can be used"):
        look(tmp_path / "bad", model)
