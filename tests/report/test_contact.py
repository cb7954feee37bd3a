"""The contact sheet in a run's report."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from edgecls.data.contact import sheet
from edgecls.report import write_report
from edgecls.rundir import add_file

LABELS = ("cat", '<b>"dog"</b>', "猫" * 40)


@pytest.fixture
def with_sheet(make_run):
    """A run whose data have a sheet; `about` changes what is said of it."""

    def make(**about):
        made = make_run(name="plain", labels=LABELS)
        image = np.full((9, 9, 3), 200, np.uint8)
        picture = sheet({label: [image] * 3 for label in LABELS})
        pictures = {"contact": add_file(made.path, picture.jpeg, "jpg"), **picture.to_json()}
        data = {**made.info.data, "pictures": {**pictures, **about}}
        type(made.info)(**{**vars(made.info), "data": data}).write(made.path)
        return made.path, picture.jpeg

    return make


def test_it_is_in_the_page_with_the_names_of_its_rows(with_sheet):
    run, jpeg = with_sheet()
    text = write_report(run).read_text(encoding="utf-8")
    uri = re.search(r'href="data:image/jpeg;base64,([^"]+)"', text)
    assert uri and base64.b64decode(uri.group(1)) == jpeg
    assert text.index("Training images of every class") > text.index('id="data"')
    assert "&lt;b&gt;&quot;dog&quot;&lt;/b&gt;" in text and '<b>"dog' not in text
    assert "猫" * 23 + "…" in text
    assert 'viewBox="0 0 340 150"' in text


def test_a_run_without_one_says_nothing(make_run):
    text = write_report(make_run().path).read_text(encoding="utf-8")
    assert "Training images of" not in text


def test_one_that_is_missing_is_named_as_a_problem(with_sheet):
    run, _ = with_sheet()
    next((run / "files").glob("*.jpg")).unlink()
    text = write_report(run).read_text(encoding="utf-8")
    assert "contact sheet:" in text and "Training images of" not in text


def test_one_of_more_classes_says_which_it_shows(with_sheet):
    run, _ = with_sheet(labels=["cat", "dog"])
    text = write_report(run).read_text(encoding="utf-8")
    assert "Training images of the first 2 of 3 classes" in text
