"""The section on trust: figures, flips with their pictures, and a warning where one is due."""

from __future__ import annotations

import html
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from edgecls.compared import (
    Attacked,
    ClassChange,
    Compared,
    Comparison,
    Excess,
    Flip,
    Hardness,
    Paired,
    Side,
)
from edgecls.report import comparison_lines, doubts, write_report
from edgecls.report.doubts import summary
from edgecls.rundir import add_file

EVIL = '</script><img src=x onerror="alert(2)">'


def png(shade: int, side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side), shade).save(stream, "PNG")
    return stream.getvalue()


def hardness(clean: float, lost: float, crafted_on: str = "") -> Hardness:
    rows = dict.fromkeys(("gaussian-noise", "jpeg"), (clean - lost / 2, clean - lost))
    attack = Attacked("pgd-8", 8, 7, 50, clean, clean - 2 * lost, crafted_on)
    return Hardness(100, clean, (1, 5), rows, (attack,))


def pair(folder, name="student", source="teacher", step="prune", **changes) -> Comparison:
    digest = add_file(folder, png(10), "png")
    whole = Comparison(
        model=Side(name, 0.96, 0.031, 1.1, hardness(0.96, 0.2)),
        source=Side(source, 0.97, 0.012, 1.2, hardness(0.97, 0.1)),
        step=step,
        paired=Paired(340, 6, 2, 12, -0.0111, -0.028, 0.005, 0.29),
        flipped=10,
        classes=(
            ClassChange(3, 36, 36, 6, 0, 0.03),
            ClassChange(4, 36, 30, 0, 2, 1.0),
            ClassChange(5, 36, 30, 0, 0, 1.0),
        ),
        flips=(
            Flip("3/a.png", 3, 3, 8, 0.97, 0.81, digest),
            Flip("4/b.png", 4, 9, 4, 0.5, 0.6, digest),
        ),
        corrupted=Excess(0.074, 0.05, 0.098),
    )
    return replace(whole, **changes)


@pytest.fixture
def made(make_run):
    """made(*pairs, **of Compared) -> (folder of a run with them)"""

    def make(*changes, **more):
        run = make_run()
        pairs = tuple(pair(run.path, **each) for each in changes or ({},))
        found = Compared(pairs, **{"max_drop": 0.02, "max_excess": 0.02, **more})
        digest = add_file(run.path, found.to_json().encode(), "json")
        replace(run.info, compared=digest).write(run.path)
        return run.path, found

    return make


def page(folder):
    return write_report(folder).read_text(encoding="utf-8")


def words(text):
    section = text[text.index('<section id="trust"') :]
    section = section[: section.index("</section>")]
    plain = re.sub(r"<[^>]+>", " ", section)
    plain = plain.replace("\u2060", "").replace("\u00a0", " ")
    return " ".join(html.unescape(plain).split())


def test_every_figure_of_a_comparison_is_there(made):
    text = words(page(made(constants="CIFAR-10-C")[0]))
    for expected in (
        "Accuracy kept, robustness lost",
        "student keeps the accuracy of teacher (−1.11 points), but loses 7.4 points more on"
        " corrupted images (95 % interval +5.0 to +9.8): 89.5 % → 81.0 %.",
        "−1.11 points −2.80 to +0.50",
        "p = 0.29 no difference seen",
        "6 of 360",
        "3.10 % was 1.20 %",
        "81.0 % was 89.5 %",
        "7.4 points +5.0 to +9.8 less robust",
        "Accuracy on 100 test images, unchanged, corrupted and attacked",
        "PGD 8/255",
        "student against teacher (prune): 10 answers flipped",
        "10 answers of 360 differ: 6 newly wrong, 2 newly right, 2 wrong in both.",
        "Shown are 2",
        "3 → 8 newly wrong, 97 % → 81 % is 3 3/a.png",
        "9 → 4 newly right, 50 % → 60 % is 4 4/b.png",
        "Recall by class: 2 of 3 changed",
        "3 more than chance −16.67 points 100.0 % → 83.3 %",
        "Accuracy by severity, and its difference from the source's",
        "−11.00 points",
        "the strengths of CIFAR-10-C",
    ):
        assert expected in text, expected


def test_a_picture_is_in_the_page_once_however_often_it_is_shown(made):
    folder, _ = made({}, {"name": "student · openvino · int8", "source": "student"})
    text = page(folder)
    assert text.count("data:image/png;base64") == 1
    assert text.count('<use href="#picture-') == 4
    assert text.count('aria-label="3, answered 3 before and 8 after"') == 2
    for reference in re.findall(r'href="#(picture-\w+)"', text):
        assert f'id="{reference}"' in text


def test_the_markup_is_whole(made):
    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in {"meta", "link", "input", "br", "col", "img"}:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    reader = Reader()
    reader.feed(page(made()[0]))
    assert reader.open == []


@pytest.mark.parametrize(
    "change",
    [
        {"corrupted": Excess(0.074, -0.01, 0.15)},
        {"corrupted": Excess(0.019, 0.01, 0.03)},
        {"corrupted": None},
        {"paired": Paired(300, 40, 2, 18, -0.1, -0.14, -0.07, 0.001)},
    ],
    ids=["chance", "small", "not looked at", "accuracy is lost too"],
)
def test_no_warning_without_cause(made, change):
    folder, found = made(change)
    assert doubts(found) == []
    assert "Accuracy kept, robustness lost" not in page(folder)
    assert summary(found)


def test_what_is_lost_with_the_accuracy_is_said_otherwise(made):
    _, found = made({"paired": Paired(300, 40, 2, 18, -0.1, -0.14, -0.07, 0.001)})
    assert summary(found) == (
        "Accuracy and robustness went together: both were lost by student against teacher."
    )


def test_a_loss_under_attack_is_a_warning_too(made):
    folder, found = made({"corrupted": None, "attacked": Excess(0.3, 0.2, 0.4)})
    (text,) = doubts(found)
    assert "30.0 points if attacked +20.0 to +40.0 less robust" in words(page(folder))
    assert "loses 30.0 points more on attacked images" in text and "77.0 % → 56.0 %" in text


SMALL = Excess(0.001, -0.01, 0.02)


@pytest.mark.parametrize(
    ("corrupted", "attacked", "told"),
    [
        (SMALL, None, "more than its source on corrupted images."),
        (None, SMALL, "more than its source on attacked images."),
        (SMALL, SMALL, "more than its source on corrupted or attacked images."),
        (None, None, "Corrupted and attacked images were not looked at."),
    ],
)
def test_the_summary_is_about_what_was_looked_at(made, corrupted, attacked, told):
    _, found = made({"corrupted": corrupted, "attacked": attacked})
    assert summary(found).endswith(told)


def test_attacks_of_another_net_are_named_as_such(made):
    side = Side("student · openvino · int8", 0.96, 0.03, 1.0, hardness(0.96, 0.2, "student"))
    text = words(page(made({"model": side})[0]))
    assert "56.0 % transferred" in text and "77.0 % transferred" not in text


def test_nothing_changed_is_said(made):
    change = {
        "paired": Paired(350, 0, 0, 10, 0.0, -0.01, 0.01, 1.0),
        "flipped": 0,
        "flips": (),
        "classes": (ClassChange(3, 36, 36, 0, 0, 1.0),),
    }
    text = words(page(made(change)[0]))
    assert "No answer differs." in text and "No class is answered otherwise." in text


def test_of_many_classes_the_ends_are_shown(make_run):
    from edgecls.report.flips import class_changes

    labels = [f"n{i}" for i in range(100)]
    changes = [ClassChange(i, 200, 150, 100 - i, i, 1.0) for i in range(100)]
    text = class_changes(changes, labels)
    assert "99 of 100 changed, the 20 that changed most" in text
    assert "n0<" in text and "n99<" in text and "n50<" not in text


def test_a_class_that_lost_as_many_as_it_gained_has_no_other_recall(make_run):
    from edgecls.report.flips import class_changes

    changes = [ClassChange(0, 10, 5, 2, 2, 1.0), ClassChange(1, 10, 5, 2, 1, 1.0)]
    text = class_changes(changes, ["even", "worse"])
    assert "Recall by class: 1 of 2 changed" in text and "even" in text


def test_a_run_without_comparisons_says_so(make_run):
    folder = make_run().path
    assert "No compressed model was compared" in words(page(folder))
    assert "Trust after" not in (folder / "report.md").read_text(encoding="utf-8")


def test_missing_side_files_are_named(made):
    folder, found = made()
    for flip in found.comparisons[0].flips:
        (folder / "files" / f"{flip.picture}.png").unlink(missing_ok=True)
    text = page(folder)
    assert "pictures of flipped images" in text and str(folder) not in text
    assert "Every compressed model against its source" in text
    for path in (folder / "files").glob("*.json"):
        path.write_bytes(b"{}")
    assert "comparisons of the models" in page(folder)


def test_names_stay_text(made):
    side = Side(EVIL, 0.9, 0.1, 1.0)
    folder, _ = made({"model": side, "corrupted": None}, notes=(EVIL,))
    text = page(folder)
    assert "<img src=x" not in text and "&lt;img src=x" in text


def test_markdown_and_terminal_have_it_in_short(made):
    folder, found = made()
    page(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "## Trust after compression" in text
    assert "| student | teacher | −1.11 points | p = 0.29 | 6 | 2 | 89.5 % → 81.0 % |" in text
    first, last = comparison_lines(found)
    assert first == (
        "against teacher: −1.11 points of accuracy (95 % interval −2.80 to +0.50, p = 0.29),"
        " 6 newly wrong, 2 newly right of 360 images; corrupted 89.5 % → 81.0 %"
    )
    assert last.startswith("student keeps the accuracy of teacher")
    assert comparison_lines(None) == []
