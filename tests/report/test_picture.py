"""report.svg: a picture that stands alone on a light page and on a dark one."""

import re
from xml.etree import ElementTree as ET

from edgecls.core import write_results
from edgecls.report import write_report


def drawn(made):
    write_report(made.path)
    return (made.path / "report.svg").read_text(encoding="utf-8")


def test_it_is_whole_by_itself_and_shows_every_row_with_both_figures(make_run):
    made = make_run()
    text = drawn(made)
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg" and root.get("width") and root.get("viewBox")
    marks = [node for node in root.iter() if "mark" in (node.get("class") or "").split()]
    groups = [node for node in marks if node.tag != f"{space}polyline"]
    # The rows, and the legend's three targets and two precisions.
    assert len(groups) == 10 + 3 + 2
    assert not list(root.iter(f"{space}a"))
    words = " ".join(node.text or "" for node in root.iter(f"{space}text"))
    assert "student · openvino · int8" in words and "onnxruntime" in words


def test_its_colours_are_its_own_and_none_is_a_variable(make_run):
    text = drawn(make_run())
    assert "var(" not in text and "prefers-color-scheme: dark" in text
    used = set(re.findall(r'class="[^"]*?\b(c\d|ref|card|halo|front|grid|limit)\b', text))
    styles = text[text.index("<style>") : text.index("</style>")]
    assert {"card", "c0", "ref", "front", "halo"} <= used
    for name in used:
        assert f".{name}" in styles


def test_its_name_is_the_recommendation_as_it_is(make_run):
    made = make_run()
    rows = [row.with_(model="a & b") if row.model == "student" else row for row in made.rows]
    write_results(made.path / "results.jsonl", rows)
    assert ET.fromstring(drawn(made)).get("aria-label") == "Ship a & b · openvino · int8."


def test_a_hostile_name_stays_text(make_run):
    text = drawn(make_run(name='<script>&"'))
    assert "<script>" not in text
    ET.fromstring(text)


def test_where_nothing_is_to_be_plotted_an_older_picture_goes(make_run):
    made = make_run(specs=())
    (made.path / "report.svg").write_text("old")
    write_report(made.path)
    assert not (made.path / "report.svg").exists()
