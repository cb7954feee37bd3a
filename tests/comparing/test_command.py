"""``edgecls compare``: its status, its files, and what it says of runs that are none."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from edgecls.core import read_results, write_results
from edgecls.rundir import add_file

RESULTS = "results.jsonl"


@pytest.fixture
def runs(write_run, planted_row):
    """(old, one that is as good, one that is slower)"""
    slow = write_run("slow", [planted_row(ms=1.1)], 3)
    return write_run("old", seed=1), write_run("good", seed=2), slow


def test_it_ends_with_0_where_nothing_is_lost(edgecls_compare, runs):
    ended = edgecls_compare(*runs[:2])
    assert ended.status == 0 and not ended.err
    assert f"OLD: {runs[0]}" in ended.out and "no difference seen" in ended.out
    assert "No alarm, 0.5 points and 5 % allowed" in ended.out


def test_it_ends_with_1_where_a_bound_is_exceeded(edgecls_compare, runs):
    ended = edgecls_compare(runs[0], runs[2])
    assert ended.status == 1
    assert ended.err.startswith("alarm: student · openvino · fp32: latency rose by ")
    for bound in ("15", "15%", "15.5 %"):
        assert edgecls_compare(runs[0], runs[2], "--max-slower", bound).status == 0


def test_max_drop_is_in_points(edgecls_compare, write_run, planted_row):
    old = write_run("old", [planted_row()], 1, 4_000)
    new = write_run("new", [planted_row(accuracy=0.93)], 2, 4_000)
    assert edgecls_compare(old, new).status == 1
    assert edgecls_compare(old, new, "--max-drop", "3").status == 0


def test_it_writes_both_files_where_it_alarms_too(edgecls_compare, runs, tmp_path):
    junit, markdown = tmp_path / "j.xml", tmp_path / "m.md"
    given = (runs[0], runs[2], "--junit", junit, "--markdown", markdown)
    assert edgecls_compare(*given).status == 1
    assert ET.parse(junit).getroot().get("failures") == "1"
    assert markdown.read_text().startswith("## edgecls compare\n\n**1 alarm,")
    again = edgecls_compare(*given)
    assert again.status == 2 and "exists already" in again.err and again.out == ""
    assert edgecls_compare(*given, "--force").status == 1
    assert not list(tmp_path.glob("*.part"))


def test_a_gate_that_could_test_nothing_does_not_pass(edgecls_compare, runs, tmp_path):
    rows = read_results(runs[0] / RESULTS)
    (tmp_path / "bench").mkdir()
    write_results(tmp_path / "bench" / "rows.jsonl", [row.with_(files={}) for row in rows])
    ended = edgecls_compare(tmp_path / "bench" / "rows.jsonl", runs[1])
    assert ended.status == 1 and "nothing could be tested" in ended.err
    assert "student · openvino · fp32" in ended.out
    assert "OLD keeps no answers for each image" in ended.out


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("predictions", "accuracy: none of 1 row could be tested: OLD keeps no answers for each"),
        ("latencies", "latency: none of 1 row could be tested: OLD keeps no single latencies"),
    ],
)
def test_half_a_gate_that_could_test_nothing_passes_with_a_warning(
    edgecls_compare, runs, lost, told
):
    (row,) = read_results(runs[0] / RESULTS)
    left = {kind: digest for kind, digest in row.files.items() if kind != lost}
    write_results(runs[0] / RESULTS, [row.with_(files=left)])
    ended = edgecls_compare(*runs[:2])
    assert ended.status == 0 and ended.err.startswith(f"warning: {told}")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--max-slower x", "'x' is no number of percent from 0"),
        ("--max-slower -1%", "is no number of percent"),
        ("--max-slower nan", "is no number of percent"),
        ("--max-slower inf", "is no number of percent"),
        ("--max-drop -0.1", "is no number of points from 0 to 100"),
        ("--max-drop 5%", "is no number of points"),
        ("--max-drop nan", "is no number of points"),
        ("--junit {run}", "is part of a run"),
        ("--markdown {run}/results.jsonl --force", "is part of a run"),
        ("--markdown {run}/files --force", "is a folder"),
        ("--markdown {run}/report.md --force", "is part of a run"),
        ("--markdown {run}/files/m.md --force", "is part of a run"),
        ("--junit {run}/no/j.xml", "there is no folder"),
        ("--junit /proc/j.xml", "cannot be written"),
        ("--junit {run}/both --markdown {run}/both", "name the same file"),
    ],
)
def test_a_wrong_option_ends_with_2(edgecls_compare, runs, options, told):
    ended = edgecls_compare(*runs[:2], *options.format(run=runs[1]).split())
    assert ended.status == 2 and told in ended.err and ended.out == ""


def damage_lines(run, text: str) -> None:
    (run / RESULTS).write_text(text)


def changed_row(**changes) -> str:
    """A results line with other values."""
    whole = {"model": "m", "target": "t", "precision": "fp32", "schema_version": 1}
    states = {"converted": "ok", "compiled": "ok", "measured": "ok"}
    return json.dumps({**whole, **states, **changes})


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", "has no rows"),
        ("{", "not a line of results.jsonl"),
        ("[]", "not a row of results"),
        (changed_row(schema_version=9), "schema_version 9"),
        (changed_row(colour=1), "unknown ['colour']"),
        (changed_row(model=5), "line 1: model is 5"),
        (changed_row(measured="maybe"), "measured is 'maybe'"),
        (changed_row(files=[]), "files is []"),
        (changed_row(environment="x"), "environment is 'x'"),
        (changed_row(top1="high"), "top1 is 'high'"),
        (changed_row(top1=float("nan")), "top1 is nan"),
        (changed_row(size_bytes=10**400), "size_bytes is 1000"),
        (changed_row(latency_p50_ms=-1.0), "latency_p50_ms is -1.0"),
        (changed_row(latency_p50_ms=True), "latency_p50_ms is True"),
        (changed_row(flags=5), "flags is 5"),
        (changed_row(flags=[5]), "flags is [5]"),
        (changed_row(), "no row is in both: OLD has student · openvino · fp32; NEW has m · t"),
    ],
)
def test_rows_that_cannot_be_right_end_with_1(edgecls_compare, runs, lines, told):
    damage_lines(runs[1], lines)
    ended = edgecls_compare(*runs[:2])
    assert ended.status == 1 and told in ended.err and ended.out == ""


def test_what_is_no_run_ends_with_1(edgecls_compare, runs, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\x00\x80")
    unmeasured = tmp_path / "old"
    for path, told, status in (
        (tmp_path / "empty", "is not a finished run", 1),
        (tmp_path / "missing", "there is no ", 2),
        (tmp_path / "binary", "is not a file of rows", 1),
    ):
        ended = edgecls_compare(path, runs[1])
        assert ended.status == status and told in ended.err and ended.out == ""
    (unmeasured / RESULTS).unlink()
    assert "was not measured" in edgecls_compare(unmeasured, runs[1]).err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is damaged"),
        ('{"format": 9}', "unknown format 9"),
        ('{"format": 1}', "is damaged"),
    ],
)
def test_a_damaged_run_json_ends_with_1(edgecls_compare, runs, text, told):
    (runs[0] / "run.json").write_text(text)
    ended = edgecls_compare(*runs[:2])
    assert ended.status == 1 and told in ended.err


def test_labels_that_are_no_texts_end_with_1(edgecls_compare, runs):
    info = json.loads((runs[0] / "run.json").read_text())
    (runs[0] / "run.json").write_text(json.dumps({**info, "labels": "abc"}))
    assert "its labels are no texts" in edgecls_compare(*runs[:2]).err


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"\x93NUMPY\x01\x00", b"text"])
def test_a_side_file_that_is_no_npz_ends_with_1(edgecls_compare, runs, data):
    (row,) = read_results(runs[1] / RESULTS)
    digest = add_file(runs[1], data, "npz")
    for kind in ("predictions", "latencies"):
        damaged = row.with_(files={**row.files, kind: digest})
        write_results(runs[1] / RESULTS, [damaged])
        ended = edgecls_compare(*runs[:2])
        assert ended.status == 1 and f"its {kind} are no readable .npz" in ended.err


def test_a_side_file_that_was_changed_or_cut_ends_with_1(edgecls_compare, runs):
    (row,) = read_results(runs[1] / RESULTS)
    path = runs[1] / "files" / f"{row.files['predictions']}.npz"
    path.write_bytes(path.read_bytes()[:-7])
    ended = edgecls_compare(*runs[:2])
    assert ended.status == 1 and "has changed" in ended.err


def test_names_of_side_files_that_lead_elsewhere_are_not_followed(edgecls_compare, runs, tmp_path):
    (row,) = read_results(runs[1] / RESULTS)
    (tmp_path / "secret.npz").write_bytes(b"mine")
    write_results(runs[1] / RESULTS, [row.with_(files={"predictions": "../../secret"})])
    ended = edgecls_compare(*runs[:2])
    assert ended.status == 1 and "has changed" in ended.err and "mine" not in ended.err
