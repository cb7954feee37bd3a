"""JUnit's XML and the Markdown are read back, with names that would be markup."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

import pytest

from edgecls import comparing
from edgecls.comparing import alarms, compare, summary
from edgecls.core import read_results, write_results

HOSTILE = "<b>|`x`&\u202e\x07\x1b[31m\udcff\n*"


@pytest.fixture
def gate(write_run, planted_row):
    """An alarm of either kind, a row that is gone, one that is new, and one on other hardware."""
    other = {"environment": {"cpu": HOSTILE}}
    old = [planted_row(), planted_row(precision="int8"), planted_row("torch"), planted_row("ncnn")]
    new = [
        planted_row(accuracy=0.92),
        planted_row(precision="int8", ms=1.1),
        planted_row("ncnn", changes=other),
        planted_row("tensorrt"),
    ]
    runs = write_run("old", old, 1, 2_000), write_run("new", new, 2, 2_000)
    for run in runs:
        rows = read_results(run / "results.jsonl")
        write_results(run / "results.jsonl", [row.with_(model=HOSTILE) for row in rows])
    return compare(*runs)


def test_junit_has_a_case_a_row_and_kind(gate):
    root = ET.fromstring(comparing.junit(gate).encode())
    (suite,) = root
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    assert len(cases) == len(suite) == 5 + 2 * 3
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 11, "failures": 3, "errors": 0, "skipped": 1}
    told = [each.get("message") for each in suite.iter("failure")]
    assert told == [alarm.sentence for alarm in alarms(gate)]
    (skipped,) = suite.iter("skipped")
    assert skipped.get("message").startswith("another machine")
    assert "95 % interval" in next(suite.iter("system-out")).text


def test_markdown_holds_a_table_and_no_markup_of_names(gate):
    text = comparing.markdown(gate)
    lines = text.splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 3 * 3 + 2
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert f"**{summary(gate)}.**" in lines
    assert "<b>" not in text and "&lt;b&gt;" in text and "\\`x\\`" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e\ud800-\udfff]", text)
    # The alarms, and what is said of the row on other hardware.
    assert sum(line.startswith("- ") for line in lines) == 3 + 2


def test_the_terminal_shows_every_figure_and_no_sign_that_moves_the_cursor(gate):
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(comparing.table(gate))
    text = console.export_text()
    assert text.count("accuracy ") == text.count("size ") == 3
    assert text.count("alarm") == 3 and "no difference seen" in text and "in NEW alone" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e\ud800-\udfff]", text)


def test_the_words_of_an_alarm_say_what_changed_and_what_is_allowed(gate):
    accuracy, latency, gone = (alarm.sentence.split("*: ")[-1] for alarm in alarms(gate))
    names = [alarm.sentence.split("·")[1] for alarm in alarms(gate)]
    assert names == [" openvino ", " openvino ", " torch "]
    figure = r"\d+\.\d+"
    assert re.search(
        rf"accuracy fell by {figure} points, from {figure} % to {figure} % \(p < 0.001\);"
        " 0.5 points allowed$",
        accuracy,
    )
    assert re.search(
        rf"latency rose by {figure} %, from {figure} ms to {figure} ms \(p < 0.001\); 5 % allowed$",
        latency,
    )
    assert gone.endswith("measured in OLD, and NEW has no such row")
    assert summary(gate) == (
        "3 alarms, 0.5 points and 5 % allowed;"
        " tested of 3 rows that both have measured: accuracy 3, latency 2"
    )
