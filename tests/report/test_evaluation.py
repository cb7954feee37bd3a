"""The page of an evaluation: every part shows, nothing is loaded, no name becomes markup."""

from __future__ import annotations

import io
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from edgecls.errors import EdgeclsError
from edgecls.evaluation import Evaluation, Folds, LearningCurve, Scored, Subject, Trained
from edgecls.report import evaluation_table, write_report
from edgecls.report.reliability import reliability
from edgecls.report.trained import more_images
from edgecls.rundir import Mistake, add_file
from edgecls.train.calibration import calibration
from edgecls.train.metrics import confusion, summarize

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


def part(name: str, count: int, top1: float) -> Trained:
    return Trained(name, count, 20, 100, top1, max(0, top1 - 0.05), min(1, top1 + 0.05), 0.03, 2.0)


FOLDS = Folds(tuple(part(f"fold {i + 1} of 3", 80, 0.9) for i in range(3)), 0.9, 0.01, 0.87, 0.93)
CURVE = LearningCurve(
    (part("25 %", 100, 0.6), part("50 %", 200, 0.8), part("100 %", 400, 0.9)), 0.1, 0.001
)


@pytest.fixture
def written(tmp_path):
    """written(labels, **changes) -> the folder of an evaluation with all its parts."""

    def make(labels=tuple("abcdefgh"), file="b/1.png", **changes):
        rng = np.random.default_rng(0)
        count = 40 * len(labels)
        classes = rng.integers(0, len(labels), count)
        logits = rng.normal(size=(count, len(labels))) + 3 * np.eye(len(labels))[classes]
        stream = io.BytesIO()
        Image.new("L", (8, 8), 100).save(stream, "PNG")
        picture = add_file(tmp_path, stream.getvalue(), "png")
        matrix = confusion(logits.argmax(1), classes, len(labels))
        scored = Scored(
            subject=Subject("checkpoint", "runs/net", "resnet8", "0" * 64, 0.7),
            split="test",
            metrics=summarize(logits, classes, labels, 0.7),
            calibrated=asdict(calibration(logits, classes, 0.7)),
            raw=asdict(calibration(logits, classes)),
            confusion=tuple((int(i), int(j), int(matrix[i, j])) for i, j in np.argwhere(matrix)),
            mistakes=(Mistake(file, 1, 0, 0.987, picture),),
            skipped=({"file": file, "reason": "empty file"},),
        )
        found = Evaluation(
            name="net",
            command=f"edgecls evaluate '{file}'",
            created="2026-07-14T09:12:44+00:00",
            version="0.1.0",
            source="my_images",
            labels=tuple(labels),
            scored=scored,
            folds=FOLDS,
            curve=CURVE,
            recipe={"method": "train", "options": {"arch": "resnet8"}},
            environment={"cpu": "one"},
        )
        replace(found, **changes).write(tmp_path)
        return tmp_path

    return make


def page(folder):
    return write_report(folder).read_text(encoding="utf-8")


def words(text):
    plain = re.sub(r"<(style|script)\b.*?</\1>|<[^>]+>", " ", text, flags=re.S)
    return " ".join(plain.replace("\u2060", "").replace("\u00a0", " ").split())


def test_every_part_shows(written):
    text = words(page(written()))
    for expected in (
        "images right",
        "The checkpoint runs/net (resnet8) on the images of my_images : test.",
        "Confusion matrix: true class by row",
        "The 1 mistake it was surest of",
        "98.7 %",
        "The temperature 0.7, fitted on validation, travels with the model",
        "As shipped: logits ÷ 0.7",
        "3 trainings, each judged on images",
        "standard deviation 1.00 point",
        "fold 3 of 3",
        "More images would probably still help: the last step brought 10.00 points",
        "Skipped files: 1",
        "empty file",
    ):
        assert expected in text, expected


def test_parts_that_were_not_asked_for_are_not_there(written):
    text = words(page(written(folds=None, curve=None, recipe={})))
    assert "Cross-validation" not in text and "Learning curve" not in text
    text = words(page(written(scored=None)))
    assert "Confusion matrix" not in text and "90.00 % over the folds" in text
    text = words(page(written(scored=None, folds=None)))
    assert "90.00 % with every image" in text


def test_warnings_stand_at_the_top(written):
    text = page(written(warnings=("every image was trained on",)))
    assert text.index("every image was trained on") < text.index('id="classes"')


def test_it_loads_nothing_and_its_pictures_are_inside(written):
    text = page(written())
    assert not re.search(r"(?:https?:)?//[a-z0-9.]+\.[a-z]+", text)
    assert [s[:22] for s in re.findall(r'src="([^"]+)"', text)] == ["data:image/png;base64,"]
    assert "default-src 'none'; img-src data:" in text.replace("&#x27;", "'")


def test_no_name_becomes_markup(written):
    labels = (EVIL, '"><svg onload=alert(3)>', *"cdefgh")
    text = page(written(labels=labels, file=EVIL, source=EVIL, notes=(EVIL,), warnings=(EVIL,)))
    assert text.count("<script") == 2 and "<img src=x" not in text
    assert "onload=alert(3)>" not in text


def test_a_thousand_classes_fit(written):
    text = page(written(labels=[f"n{i:08d} a rather long label" for i in range(1000)]))
    assert len(text.encode()) < 3_000_000
    assert "The classes that are confused most often, of 1,000" in text


def test_a_missing_picture_is_an_error_that_names_it(written):
    folder = written()
    next((folder / "files").iterdir()).unlink()
    with pytest.raises(EdgeclsError, match=r"files/.*\.png is missing"):
        write_report(folder)


@pytest.mark.parametrize(
    ("gain", "p_value", "expected"),
    [
        (0.02, 0.001, "would probably still help: the last step brought 2.00 points"),
        (0.02, 0.2, "or less than so many can show"),
        (0.0005, 0.001, "would bring little: the last step brought 0.05 points"),
        (0.0, 0.004, "would bring little: the last step"),
        (0.02, 0.05, "would probably still help"),
        (-0.02, 0.001, "made it worse by 2.00 points"),
        (-0.02, 0.5, "or less than so many can show"),
    ],
)
def test_what_more_images_would_bring_is_said_as_far_as_it_is_known(gain, p_value, expected):
    assert expected in more_images(LearningCurve(CURVE.parts, gain, p_value))


def text_of(logits, classes, temperature=1.0):
    raw, scaled = calibration(logits, classes), calibration(logits, classes, temperature)
    return words("".join(reliability(raw, scaled)))


def test_the_diagram_says_whether_it_is_too_sure():
    logits = np.array([[4.0, 0.0]] * 10)
    assert "the model is more sure than right" in text_of(logits, np.array([0, 1] * 5))
    assert "the model is less sure than right" in text_of(logits / 10, np.zeros(10, int))
    assert "good enough to act on" in text_of(9 * logits, np.zeros(10, int))


def test_one_diagram_where_there_is_no_temperature_and_two_where_there_is():
    logits, classes = np.array([[4.0, 0.0]] * 10), np.array([0, 1] * 5)
    assert "As shipped" not in text_of(logits, classes)
    both = text_of(logits, classes, 3.0)
    assert "As trained" in both and "As shipped: logits ÷ 3" in both


def test_logits_that_are_not_finite_have_a_sentence():
    assert "no finite logits" in text_of(np.full((3, 2), np.nan), np.zeros(3, int))


def test_the_terminal_has_the_score_the_folds_and_the_sizes(written):
    from rich.console import Console

    console = Console(width=120, file=io.StringIO())
    console.print(evaluation_table(Evaluation.read(written(warnings=("[bold]careful",)))))
    text = console.file.getvalue()
    for expected in ("test", "fold 2 of 3", "mean of the folds", "100 %", "warning: [bold]careful"):
        assert expected in text
