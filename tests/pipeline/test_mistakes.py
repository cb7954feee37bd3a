"""The worst mistakes: the surest first, with pictures that show what the net saw."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from edgecls.core import read_results
from edgecls.device.preprocess import Preprocess
from edgecls.pipeline import mistakes
from edgecls.report.loading import load
from edgecls.rundir import read_file

GRAY = Preprocess((4, 4), mode="L", mean=(0.5,), std=(0.25,))


def found(tmp_path, logits, classes, temperature=1.0):
    logits = np.asarray(logits, np.float32)
    images = np.arange(len(logits) * 16, dtype=np.uint8).reshape(-1, 4, 4, 1)
    files = [f"{i}.png" for i in range(len(logits))]
    classes = np.asarray(classes)
    return mistakes.worst(tmp_path, logits, classes, images, files, temperature, GRAY), images


def test_wrong_answers_alone_the_surest_first(tmp_path):
    listed, images = found(tmp_path, [[1, 0], [0, 3], [2, 0], [5, 0], [0, 1]], [1, 0, 1, 0, 1])
    assert [each.file for each in listed] == ["1.png", "2.png", "0.png"]
    assert (listed[0].true, listed[0].said) == (0, 1)
    assert listed[0].confidence == pytest.approx(1 / (1 + np.exp(-3)))
    png = read_file(tmp_path, listed[0].picture, "png")
    assert (np.asarray(Image.open(io.BytesIO(png))) == images[1, :, :, 0]).all()


def test_the_confidence_is_that_of_the_temperature(tmp_path):
    listed, _ = found(tmp_path, [[4, 0]], [1], temperature=2.0)
    assert listed[0].confidence == pytest.approx(1 / (1 + np.exp(-2)))


def test_no_more_than_fit_a_report_and_none_where_all_is_right(tmp_path):
    assert len(found(tmp_path, [[1, 0]] * 100, [1] * 100)[0]) == mistakes.MOST
    assert found(tmp_path, [[1, 0]] * 3, [0] * 3)[0] == ()


def test_answers_that_are_not_finite_are_not_sure(tmp_path):
    assert found(tmp_path, [[np.nan, 0], [1, 0]], [1, 1])[0][0].file == "1.png"


@pytest.mark.parametrize("mode", ["RGB", "BGR"])
def test_colours_are_as_they_were(mode):
    tensor = np.zeros((4, 4, 3), np.uint8)
    tensor[:, :, mode.index("R")] = 255
    image = Image.open(io.BytesIO(mistakes.picture(tensor, mode)))
    assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_large_pictures_are_made_small_in_proportion():
    image = Image.open(io.BytesIO(mistakes.picture(np.zeros((400, 200, 3), np.uint8), "RGB")))
    assert image.size == (48, 96)


def test_a_run_keeps_them_for_every_scored_row_and_shows_them(finished):
    folder = finished.result.folder
    rows = [row for row in read_results(folder / "results.jsonl") if row.top1 is not None]
    assert rows and all("mistakes" in row.files for row in rows)
    for row in rows:
        listed = json.loads(read_file(folder, row.files["mistakes"], "json"))
        wrong = round(row.num_images * (1 - row.top1))
        assert len(listed) == min(wrong, mistakes.MOST)
    run = load(folder)
    assert not run.problems
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count(", taken for ") == len(run.pictures) > 0
    assert all(model.temperature != 1 for model in run.info.models)
    assert "As shipped: logits ÷" in page
