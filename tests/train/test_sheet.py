"""The sheet of augmented images: a wrong augmentation is seen in it."""

from __future__ import annotations

import io
import json

import numpy as np
from PIL import Image

from edgecls.data.contact import GAP, SIDE
from edgecls.models.checkpoint import AUGMENTED, AUGMENTED_PICTURE
from edgecls.train import sheet
from edgecls.train.options import AugmentOptions


def drawn(tiny_data, folder, **options):
    sheet.write(folder, tiny_data, AugmentOptions(**options), seed=0)
    about = json.loads((folder / AUGMENTED).read_text())
    picture = Image.open(io.BytesIO((folder / AUGMENTED_PICTURE).read_bytes())).convert("L")
    return about, np.asarray(picture, np.float32)


def cell(picture, row, column):
    pitch = SIDE + GAP
    return picture[row * pitch : row * pitch + SIDE, column * pitch : column * pitch + SIDE]


def test_a_row_is_an_image_and_its_views(tiny_data, tmp_path):
    about, picture = drawn(tiny_data, tmp_path, augment="strong")
    assert about["labels"] == list(tiny_data.labels[: sheet.CLASSES])
    assert about["columns"] == 1 + sheet.VIEWS
    assert picture.shape == (sheet.CLASSES * (SIDE + GAP) - GAP, 10 * (SIDE + GAP) - GAP)
    for row in range(sheet.CLASSES):
        changed = [
            np.abs(cell(picture, row, 0) - cell(picture, row, view)).mean() for view in range(1, 10)
        ]
        assert max(changed) > 10


def test_a_mirrored_image_shows(tiny_data, tmp_path):
    _, picture = drawn(tiny_data, tmp_path, augment="none", flip="alternating")
    image, same, mirrored = (cell(picture, 4, column) for column in (0, 1, 2))
    assert np.abs(image - same).mean() < 4
    assert np.abs(image[:, ::-1] - mirrored).mean() < 8 < np.abs(image - mirrored).mean()


def test_mixed_images_show(tiny_data, tmp_path):
    _, picture = drawn(tiny_data, tmp_path, augment="none", mixup=5.0)
    assert np.abs(cell(picture, 0, 0) - cell(picture, 0, 1)).mean() > 10


def test_without_augmentation_there_is_none(tiny_data, tmp_path):
    sheet.write(tmp_path, tiny_data, AugmentOptions(augment="none"), seed=0)
    assert not any(tmp_path.iterdir())


def test_the_seed_alone_decides(tiny_data, tmp_path):
    pictures = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        sheet.write(tmp_path / name, tiny_data, AugmentOptions(augment="strong"), seed)
        pictures.append((tmp_path / name / AUGMENTED_PICTURE).read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]
