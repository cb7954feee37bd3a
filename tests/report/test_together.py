"""Several runs and devices in one page: who is compared with whom, and what is said of it."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from edgecls.cli.run import report
from edgecls.core import write_results
from edgecls.errors import EdgeclsError, UsageError
from edgecls.report import write_comparison
from edgecls.report.differences import split
from edgecls.report.joint import join
from edgecls.report.points import floor_of
from edgecls.report.schemes import scheme_table
from edgecls.report.sources import read
from edgecls.report.together import page, warnings
from edgecls.rundir import add_arrays, read_arrays
from tests.report.conftest import MEASURED

PI = "ssh://pi@pi"


def rewritten(made, **changes):
    """The run with its rows changed; `changes` are functions of a row."""
    rows = [row.with_(**{k: f(row) for k, f in changes.items()}) for row in made.rows]
    write_results(made.path / "results.jsonl", rows)
    return rows


@pytest.fixture
def before(make_run):
    return make_run(name="before")


@pytest.fixture
def after(make_run):
    """The same images; everything is quicker, in bundles of its own."""
    specs = [(*spec[:4], spec[4] * 0.5, *spec[5:]) for spec in MEASURED]
    made = make_run(name="after", specs=specs)
    rewritten(made, bundle_sha256=lambda row: f"{row.name:x<64}"[:64])
    return made


@pytest.fixture
def board(after, tmp_path):
    """What `edgecls bench --out` wrote of the same bundles on a device: without accuracies."""
    names = ("val_top1", "val_top1_low", "val_top1_high", "top1", "top1_low", "top1_high")
    rows = [
        row.with_(device=PI, files={}, p_value=None, **dict.fromkeys(names))
        for row in rewritten(after)
        if row.measured == "ok" and row.target != "torch"
    ]
    path = tmp_path / "board.jsonl"
    write_results(path, rows)
    return path


def test_rows_of_all_runs_are_in_one_table_with_their_runs_name(before, after, tmp_path):
    out = write_comparison([before.path, after.path], tmp_path / "both.html")
    text = out.read_text(encoding="utf-8")
    assert text.count('<table class="rows sortable"') == 1
    assert text.count('<tbody id="row-') == len(before.rows) + len(after.rows)
    numbers = [int(n) for n in re.findall(r'<tbody id="row-(\d+)"', text)]
    assert sorted(numbers) == list(range(len(numbers)))
    assert "<bdi>before</bdi>" in text and "<bdi>after</bdi>" in text
    assert "From after, measured on the machine of the runs." in text
    hints = json.loads(re.search(r'id="hints">(.*?)</script>', text, re.S)[1])
    assert {row["filters"]["run"] for row in hints["rows"]} == {"before", "after"}
    assert hints["plots"][0]["every"] is True


def test_a_device_has_the_accuracy_and_the_budget_of_the_run_of_its_bundles(before, after, board):
    (joint,) = join(read([before.path, after.path, board]))
    run = joint.run
    chosen = {run.rows[i].device: run.title(i) for i in run.recommendation.chosen}
    assert chosen["host"].startswith("after: student · openvino · int8")
    assert chosen[PI].startswith("board: student · openvino · int8")
    there = [row for row in run.rows if row.device == PI]
    assert there and all(row.val_top1 is not None for row in there)


def test_rows_of_different_images_stand_apart_and_it_is_said(before, make_run):
    other = make_run(name="flowers", labels=("rose", "tulip", "daisy"), images=200)
    sources = read([before.path, other.path])
    joints = join(sources)
    assert [[s.name for s in joint.sources] for joint in joints] == [["before"], ["flowers"]]
    assert joints[1].run.first == len(before.rows)
    text = page(sources)
    assert text.count('<table class="rows sortable"') == 2
    assert "2 different sets of images (before; flowers)" in text
    assert 'id="rows-2"' in text and 'name="split-2"' in text


def test_images_are_told_apart_by_their_content(before, make_run):
    """The same labels and classes in order, but of other files."""
    other = make_run(name="other")
    for made, seed in ((before, 1), (other, 2)):
        images = np.random.default_rng(seed).integers(0, 256, (360, 32), dtype=np.uint8)
        digest = next(row.files["predictions"] for row in made.rows if row.files)
        arrays = read_arrays(made.path, digest)
        file = add_arrays(made.path, {**arrays, "test_images": images})
        rewritten(made, files=lambda row, file=file: {"predictions": file} if row.files else {})
    assert len(join(read([before.path, other.path]))) == 2


def test_what_differs_is_told_and_what_a_file_cannot_know_is_not(before, after, board):
    rewritten(after, protocol=lambda row: {**row.protocol, "threads": 4})
    sources = read([before.path, after.path, board])
    differ, same = split(sources)
    assert differ["protocol.threads"] == [None, 4, None]
    assert "data.source" in same and "seed" in same
    assert "edgecls" in same


def test_different_protocols_and_budgets_are_warned_of(before, after):
    rewritten(after, protocol=lambda row: {**row.protocol, "launches": 9})
    about = json.loads((after.path / "run.json").read_text())
    about["budget"]["max_drop"] = 0.5
    (after.path / "run.json").write_text(json.dumps(about))
    sources = read([before.path, after.path])
    told = " ".join(warnings(join(sources), sources))
    assert "different protocols (launches)" in told
    assert "judged by that of before" in told
    assert "not measured side by side" in told


def test_two_hosts_are_two_devices(before, after):
    rewritten(after, environment=lambda row: {**row.environment, "cpu": "Another CPU"})
    (joint,) = join(read([before.path, after.path]))
    devices = {row.device for row in joint.run.rows}
    assert devices == {"Example CPU @ 2.60GHz", "Another CPU"}
    assert len(joint.run.recommendation.chosen) == 2


def test_tests_of_one_run_say_nothing_of_anothers_rows(before, after):
    """Each run's p-values are against its own quickest row."""
    for made in (before, after):
        rewritten(made, latency_p_value=lambda row: 0.9 if row.measured == "ok" else None)
    sources = read([before.path, after.path])
    (joint,) = join(sources)
    verdicts = " ".join(verdict.text for verdict in joint.run.recommendation.verdicts)
    assert "no difference in latency" not in verdicts
    text = page(sources)
    assert "<small>no difference seen</small>" not in text and "Quickest row" not in text
    # Each row's accuracy was tested against its own run's reference.
    assert [row.p_value for row in joint.run.rows] == [
        row.p_value for source in sources for row in source.rows
    ]


def test_the_reference_is_the_first_runs_though_another_has_one_of_its_name(before, after):
    better = {"val_top1": 1.0, "top1": 1.0}
    rewritten(
        after,
        **{
            name: lambda row, name=name: (
                better[name] if row.model == "teacher" and row.top1 else getattr(row, name)
            )
            for name in better
        },
    )
    (alone,), (joint,) = join(read([before.path])), join(read([before.path, after.path]))
    assert floor_of(joint.run) == floor_of(alone.run)
    assert "teacher (98.61 %)" in joint.run.recommendation.reason


def test_a_winner_is_not_held_against_the_reference_of_another_run(before, after):
    rewritten(after, p_value=lambda row: 0.001 if row.model == "student" and row.top1 else None)
    (alone,), (joint,) = join(read([after.path])), join(read([before.path, after.path]))
    assert "1.11 points below teacher." in alone.run.recommendation.evidence
    found = joint.run.recommendation
    assert found.headline == "Ship student (after) · openvino · int8."
    assert "teacher." not in found.evidence
    assert "as fast as student (after) in PyTorch" in found.evidence


def test_each_row_is_held_against_the_reference_of_its_own_run(before, after):
    """Whatever that one is called."""
    rewritten(after, model=lambda row: "big" if row.model == "teacher" else row.model)
    about = json.loads((after.path / "run.json").read_text())
    (after.path / "run.json").write_text(json.dumps({**about, "reference": "big"}))
    text = page(read([before.path, after.path]))
    assert text.count(">the reference<") == 2
    measured = sum(row.measured == "ok" for made in (before, after) for row in made.rows)
    assert text.count("<small>p = ") + text.count("<small>p &lt; ") == measured - 2


def test_int8_is_not_held_against_another_runs_fp32(before, after):
    """The second run's is slower than the first one's fp32, and quicker than its own."""
    rewritten(after, latency_p50_ms=lambda row: row.latency_p50_ms and 10 * row.latency_p50_ms)
    (joint,) = join(read([before.path, after.path]))
    verdicts = " ".join(verdict.text for verdict in joint.run.recommendation.verdicts)
    assert "as slow as fp32" not in verdicts


def test_a_hosts_rows_say_where_they_were_measured(before, after):
    def other(row):
        return {**row.environment, "cpu": "Another CPU"}

    rewritten(after, environment=other, made_for=lambda row: "arm64")
    (joint,) = join(read([before.path, after.path]))
    verdicts = " ".join(verdict.text for verdict in joint.run.recommendation.verdicts)
    assert "Converted for arm64 and measured on Another CPU" in verdicts
    assert "A reference on Another CPU, not for shipping" in verdicts
    assert "this machine" not in verdicts.replace("this machine has no NVIDIA GPU", "")


def test_each_scheme_has_its_runs_name(before, after):
    (joint,) = join(read([before.path, after.path]))
    text = scheme_table(joint.run)
    for name in ("before", "after"):
        assert f"{name}: student · openvino · int8" in text
    assert "this machine" not in text


def with_other_classes(made):
    """The run, chosen on other validation images."""
    digest = next(row.files["predictions"] for row in made.rows if row.files)
    arrays = read_arrays(made.path, digest)
    file = add_arrays(made.path, {**arrays, "val_classes": arrays["val_classes"][::-1]})
    rewritten(made, files=lambda row: {"predictions": file} if row.files else {})


def with_another_count(made):
    about = json.loads((made.path / "run.json").read_text())
    about["data"]["splits"]["validation"]["3"] += 1
    (made.path / "run.json").write_text(json.dumps(about))


@pytest.mark.parametrize("change", [with_other_classes, with_another_count])
def test_runs_that_were_chosen_on_other_images_stand_apart(before, after, change):
    assert len(join(read([before.path, after.path]))) == 1
    change(after)
    assert len(join(read([before.path, after.path]))) == 2


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [({"governor": "powersave"}, False), ({"governor": "powersave", "cores": 8}, True)],
)
def test_only_another_machine_has_a_choice_of_its_own(before, after, changes, is_told):
    rewritten(after, environment=lambda row: {**row.environment, **changes})
    sources = read([before.path, after.path])
    told = " ".join(warnings(join(sources), sources))
    assert "governor)." in told
    assert ("Each machine has a choice of its own." in told) is is_told


def test_what_is_by_chance_is_no_difference(before, after):
    load = {"load": {"others": 0.2, "steal": 0.01}}
    stopped = {"seed": 3, "stopped_after_launches": 2}
    rewritten(
        after,
        environment=lambda row: {**row.environment, **load},
        protocol=lambda row: {**row.protocol, **stopped},
    )
    sources = read([before.path, after.path])
    assert "protocols" not in " ".join(warnings(join(sources), sources))
    assert not any("load" in name for name in split(sources)[0])


def test_a_file_alone_is_shown_and_nothing_is_recommended(board):
    (joint,) = join(read([board]))
    assert not joint.is_judged and joint.run.recommendation.chosen == frozenset()
    assert "Nothing is recommended." in page(read([board]))


def test_runs_of_one_name_are_told_apart_by_their_paths(before, make_run, tmp_path):
    other = make_run(name="again")
    about = (other.path / "run.json").read_text().replace('"again"', '"before"')
    (other.path / "run.json").write_text(about)
    names = [source.name for source in read([before.path, other.path])]
    assert names == [str(before.path), str(other.path)]


def test_an_existing_file_is_kept_unless_forced(before, after, tmp_path):
    out = tmp_path / "mine.html"
    out.write_text("years of work")
    with pytest.raises(UsageError, match="exists already"):
        write_comparison([before.path, after.path], out)
    assert out.read_text() == "years of work"
    write_comparison([before.path, after.path], out, force=True)
    assert "years of work" not in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["{a}", "{b}"], "no folder to lie in"),
        (["{a}", "{b}", "--out", "{tmp}/no/such.html"], "no folder"),
        (["{a}", "{a}", "--out", "{tmp}/x.html"], "named twice"),
        (["{a}", "--out", "{tmp}/x.html"], "no effect on one run"),
        (["{a}", "--force"], "no effect on one run"),
        (["{file}", "{a}", "--out", "{file}", "--force"], "one of the runs"),
        (["{a}", "{b}", "--out", "{b}/results.jsonl", "--force"], "part of one of the runs"),
        (["{a}", "{b}", "--out", "{a}/run.json", "--force"], "part of one of the runs"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(before, after, board, tmp_path, words, match):
    places = {"a": before.path, "b": after.path, "file": board, "tmp": tmp_path}
    done = CliRunner().invoke(report, [word.format(**places) for word in words])
    assert isinstance(done.exception, UsageError)
    assert match in str(done.exception)


def test_what_is_no_run_is_refused(before, tmp_path):
    (tmp_path / "notes").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("")
    for name, match in (
        ("notes", "not a file of rows"),
        ("empty", "has no rows"),
        ("no", "finished"),
    ):
        with pytest.raises(EdgeclsError, match=match):
            read([before.path, tmp_path / name])


def test_the_command_writes_the_page(before, board, tmp_path):
    out = tmp_path / "page.html"
    done = CliRunner().invoke(report, [str(before.path), str(board), "--out", str(out)])
    assert done.output == f"report: {out}\n" and out.is_file()
