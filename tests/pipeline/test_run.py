"""The whole job: what a run folder holds, what is used again, and what a failure costs."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from edgecls import targets
from edgecls.bench.protocol import Samples
from edgecls.core import Availability, Measurement, Outcome, read_results
from edgecls.device.meta import bundle_sha256
from edgecls.errors import BusyError, ConversionError, EdgeclsError, UsageError
from edgecls.models import checkpoint
from edgecls.pipeline import conversion, table
from edgecls.pipeline.events import Silent
from edgecls.pipeline.run import is_run, run
from edgecls.pipeline.workshop import Workshop
from edgecls.rundir import RunInfo, read_arrays, read_file
from edgecls.store import Store, lock

HASHES = "reading the images' hashes"


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file below `folder`; links by what they name."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink()).encode()
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def row_of(rows, model, target, precision="fp32") -> Measurement:
    names = ("model", "target", "precision")
    wanted = (model, target, precision)
    (row,) = [row for row in rows if tuple(getattr(row, name) for name in names) == wanted]
    return row


# What a run folder holds


def test_the_folder_has_the_layout_of_the_design(finished):
    folder = finished.result.folder
    assert is_run(folder)
    for name in ("teacher", "student"):
        assert checkpoint.load(folder / "models" / name).arch == "lenet5"
    for name in ("torch-fp32", "onnxruntime-fp32", "onnxruntime-int8", "teacher/torch-fp32"):
        assert (folder / "bundles" / name / "meta.json").is_file()
    for name in ("results.jsonl", "run.json", "recipe.json", "report.html", "report.md"):
        assert (folder / name).stat().st_size > 0
    assert not list(folder.rglob("*.part"))
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    assert links and not any(link.readlink().is_absolute() for link in links)
    assert finished.result.report == folder / "report.html"


def test_a_row_is_there_for_all_that_was_asked(finished):
    rows = {(row.model, row.target, row.precision) for row in finished.result.rows}
    assert rows == {
        ("teacher", "torch", "fp32"),
        ("teacher", "onnxruntime", "fp32"),
        ("student", "torch", "fp32"),
        ("student", "onnxruntime", "fp32"),
        ("student", "onnxruntime", "int8"),
    }
    assert list(finished.result.rows) == read_results(finished.result.folder / "results.jsonl")
    assert sum(row.recommended for row in finished.result.rows) <= 1


def test_every_field_of_the_schema_is_in_every_row(finished):
    names = {field.name for field in fields(Measurement)}
    for line in (finished.result.folder / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert set(row) == names
        assert (row["converted"], row["compiled"], row["measured"]) == ("ok", "ok", "ok")
        unknown = {"scheme"} if row["precision"] == "fp32" else set()
        # So few queries bound no tail.
        unknown |= {"latency_p90_ms_bound", "latency_p99_ms_bound"}
        # One launch says nothing of another; nothing tells energy here, and no server was asked.
        unknown |= {"latency_p50_low", "latency_p50_high", "latency_p_value", "qps"}
        unknown |= {"energy_mj"} & {name for name, value in row.items() if value is None}
        assert {name for name, value in row.items() if value is None} == unknown
        assert row["num_queries"] >= 10 and row["batch_size"] == row["threads"] == 1
        assert row["protocol"]["launches"] == 1
        assert row["environment"]["cpu"] is not None and row["environment"]["runtime"]


def test_rows_name_their_bundle_and_their_side_files(finished):
    folder = finished.result.folder
    for row in finished.result.rows:
        assert bundle_sha256(str(folder / row.bundle)) == row.bundle_sha256
        predictions = read_arrays(folder, row.files["predictions"])
        hits = predictions["test_logits"].argmax(1) == predictions["test_classes"]
        assert row.top1 == hits.mean() and row.num_images == len(hits)
        assert predictions["test_images"].shape == (len(hits), 32)
        latencies = read_arrays(folder, row.files["latencies"])
        assert len(latencies["latency_ms"]) == len(latencies["round"]) == row.num_queries


def test_predictions_name_their_images_by_content(finished, images):
    row = finished.result.rows[0]
    named = read_arrays(finished.result.folder, row.files["predictions"])["test_images"]
    known = {hashlib.sha256(path.read_bytes()).digest(): path for path in images.rglob("*.png")}
    labels = RunInfo.read(finished.result.folder).labels
    classes = read_arrays(finished.result.folder, row.files["predictions"])["test_classes"]
    found = [known[each.tobytes()].parent.name for each in named]
    assert found == [labels[number] for number in classes]


def test_the_recommended_row_says_where_its_time_goes(finished):
    folder = finished.result.folder
    for row in finished.result.rows:
        assert ("operators" in row.files) == row.recommended
        if row.recommended:
            told = json.loads(read_file(folder, row.files["operators"], "json"))
            assert told["operators"] and all(each["ms"] >= 0 for each in told["operators"])


def test_conversions_answer_as_their_source_does(finished):
    for row in finished.result.rows:
        if row.precision == "fp32":
            assert row.max_rel_logit_diff <= 1e-3 and row.top1_agreement == 1.0


def test_the_pruned_model_costs_less(finished):
    rows = finished.result.rows
    whole, cut = row_of(rows, "teacher", "onnxruntime"), row_of(rows, "student", "onnxruntime")
    assert cut.macs <= whole.macs / 1.2 and cut.num_params < whole.num_params


def test_run_json_says_what_the_run_was_about(finished):
    folder = finished.result.folder
    info = RunInfo.read(folder)
    assert (info.name, info.reference, info.shipped) == ("tiny", "teacher", "student")
    assert [model.name for model in info.models] == ["teacher", "student"]
    assert info.models[1].parents == ("teacher",) and info.models[1].edits
    for model in info.models:
        curves = json.loads(read_file(folder, model.curves, "json"))
        assert len(curves["epochs"]) == 2
    assert not any(stage.cached for stage in info.stages)
    assert {"teacher: train", "student: prune", "measuring"} <= {s.name for s in info.stages}
    assert info.plan["reasons"] and info.environment["torch"]


def test_the_plan_is_told_before_the_first_training(finished):
    text = "\n".join(finished.told.lines)
    for part in ("10 classes", "input 32×32, grayscale", "student: prune lenet5 from", "5 bundles"):
        assert part in text
    assert finished.told.stages[0] == HASHES


def test_a_damaged_image_is_named_everywhere_and_stops_nothing(finished):
    name = "3/damaged & <strange>.png"
    folder = finished.result.folder
    assert any(name in note for note in finished.told.notes)
    assert [s["file"] for s in RunInfo.read(folder).data["skipped"]] == [name]
    assert "damaged &amp; &lt;strange&gt;.png" in (folder / "report.html").read_text()
    assert "damaged" in (folder / "report.md").read_text()


# What is used again


def test_a_second_run_builds_nothing(finished, told):
    before = (finished.result.folder / "results.jsonl").read_bytes()
    again = run(finished.recipe, finished.result.folder, "edgecls run", told)
    assert told.stages == [HASHES]
    assert all(stage.cached for stage in RunInfo.read(again.folder).stages)
    assert (again.folder / "results.jsonl").read_bytes() == before
    assert sum("(done already)" in line for line in told.lines) == 2


def test_a_changed_option_computes_what_depends_on_it_and_no_more(finished, recipe, told, beside):
    models = {**recipe().models}
    models["student"] = {**models["student"], "alpha": 0.5}
    changed = recipe(models=models, export={"targets": ["onnxruntime"], "precisions": ["fp32"]})
    result = run(changed, beside, "edgecls run", told)
    assert [stage for stage in told.stages if not stage.endswith(": operators")] == [
        HASHES,
        "student: prune",
        "student: export",
        "student: answers",
        "student: onnxruntime fp32",
        "student: onnxruntime fp32: accuracy",
        "measuring",
        "student: robustness",
    ]
    student = row_of(result.rows, "student", "onnxruntime")
    assert student.bundle_sha256 != row_of(finished.result.rows, "student", "onnxruntime")
    teacher = row_of(result.rows, "teacher", "onnxruntime")
    before = row_of(finished.result.rows, "teacher", "onnxruntime")
    assert (teacher.bundle_sha256, teacher.top1) == (before.bundle_sha256, before.top1)


def test_keys_follow_what_a_stage_depends_on(finished, recipe):
    """Another seed or another split computes everything anew."""

    def key(**changes) -> str:
        shop = Workshop(Store(finished.root / ".store"), recipe(**changes), Silent())
        preprocess = checkpoint.load(finished.result.folder / "models" / "teacher").preprocess
        return json.dumps(shop.data_inputs("fingerprint", preprocess), sort_keys=True)

    assert key() == key(bench={"queries": 5}) == key(threads=2)
    data = finished.recipe.data.model_dump(exclude={"test"})
    assert len({key(), key(seed=1), key(data={**data, "test": 0.3})}) == 3
    # Splits with a seed of their own stay, whatever the weights begin with.
    fixed = {**data, "test": finished.recipe.data.test, "seed": 1}
    assert key(data=fixed) == key(seed=1) == key(data=fixed, seed=7)


KILLED = """
import os, pathlib, signal, sys
from contextlib import contextmanager
from edgecls.pipeline.events import Silent
from edgecls.pipeline.run import run
from edgecls.recipe import Recipe

class Kill:
    def step(self, done, total, note=""):
        if note.startswith("epoch 2/3"):
            os.kill(os.getpid(), signal.SIGKILL)

class Events(Silent):
    @contextmanager
    def stage(self, name):
        yield Kill()

recipe = Recipe.model_validate_json(pathlib.Path(sys.argv[1]).read_text())
run(recipe, pathlib.Path(sys.argv[2]), "edgecls run", Events())
"""


def test_a_killed_run_ends_as_an_unbroken_one(recipe, tmp_path, told):
    models = {"only": {"method": "train", "arch": "lenet5", "epochs": 3, "batch_size": 16}}
    given = recipe(models=models, export={"targets": ["onnxruntime"]})
    whole = run(given, tmp_path / "whole" / "run", "edgecls run", Silent())
    (tmp_path / "recipe.json").write_text(given.model_dump_json(by_alias=True))
    out = tmp_path / "broken" / "run"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "recipe.json"), str(out)]
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert not is_run(out)
    resumed = run(given, out, "edgecls run", told)
    assert "data" not in told.stages and "only: train" in told.stages
    for one, other in zip(whole.rows, resumed.rows, strict=True):
        assert one.bundle_sha256 == other.bundle_sha256
        assert (one.val_top1, one.top1) == (other.val_top1, other.top1)
        assert one.files["predictions"] == other.files["predictions"]
    assert not list((tmp_path / "broken" / ".store" / ".work").iterdir())


# Whose folder it is


def test_two_runs_in_one_folder_are_refused(finished):
    folder = finished.result.folder
    with (
        lock(folder / ".lock", wait=False),
        pytest.raises(BusyError, match=re.escape(f"another run is at work in {folder}")) as caught,
    ):
        run(finished.recipe, folder, "edgecls run", Silent())
    assert "--out" in caught.value.fix


def test_a_file_is_no_folder_for_a_run(finished, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        run(finished.recipe, tmp_path / "file", "edgecls run", Silent())
    assert contents(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_something_else_is_left_alone(finished, tmp_path, force):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("years of work")
    with pytest.raises(UsageError, match="is not empty, and not the folder of a run") as caught:
        run(finished.recipe, tmp_path / "mine", "edgecls run", Silent(), force=force)
    assert "--out" in caught.value.fix and "--force" not in caught.value.fix
    assert contents(tmp_path) == {"mine/report.html": b"years of work"}


def test_a_finished_run_of_another_recipe_is_left_alone(finished, recipe):
    before = contents(finished.result.folder)
    with pytest.raises(UsageError, match="holds the finished run of another recipe") as caught:
        run(recipe(seed=1), finished.result.folder, "edgecls run", Silent())
    assert "--force" in caught.value.fix
    assert contents(finished.result.folder) == before


def test_force_does_not_spoil_a_run_by_a_recipe_that_is_wrong(finished, recipe):
    before = contents(finished.result.folder)
    wrong = recipe(models={"teacher": {"method": "train", "epochz": 1}})
    with pytest.raises(UsageError, match="epochz"):
        run(wrong, finished.result.folder, "edgecls run", Silent(), force=True)
    assert contents(finished.result.folder) == before


def test_force_replaces_another_recipes_run(finished, recipe, only_teacher, beside):
    export = {"targets": ["onnxruntime"], "precisions": ["fp32"]}
    run(recipe(export=export), beside, "edgecls run", Silent())
    assert sorted(p.name for p in (beside / "models").iterdir()) == ["student", "teacher"]
    (beside / "models" / "notes").symlink_to("of-mine")
    result = run(only_teacher(), beside, "edgecls run", Silent(), force=True)
    # Nothing of the first recipe is left to be taken for the second's; what is not ours stays.
    assert sorted(p.name for p in (beside / "models").iterdir()) == ["notes", "teacher"]
    assert [row.bundle for row in result.rows] == ["bundles/onnxruntime-fp32"]
    assert [p.name for p in (beside / "bundles").iterdir()] == ["onnxruntime-fp32"]


# What a failure costs


def test_a_target_that_fails_costs_its_own_row(finished, only_teacher, monkeypatch, beside, told):
    def fail(source, request, out):
        raise ConversionError("this net has a spiral layer", "use another net")

    monkeypatch.setattr(targets.get("openvino"), "convert", fail)
    export = {"targets": ["openvino", "onnxruntime"], "precisions": ["fp32"]}
    result = run(only_teacher(export=export), beside, "edgecls run", told)
    failed = row_of(result.rows, "teacher", "openvino")
    assert (failed.converted, failed.compiled, failed.measured) == ("failed", "skipped", "skipped")
    assert (failed.reason, failed.fix) == ("this net has a spiral layer", "use another net")
    assert failed.bundle is None and failed.top1 is None and failed.macs
    assert row_of(result.rows, "teacher", "onnxruntime").measured == "ok"
    assert any("spiral layer" in note for note in told.notes)
    assert "spiral layer" in (beside / "report.html").read_text()
    assert not (beside / "bundles" / "openvino-fp32").exists()


def test_a_target_that_is_not_here_is_a_row_with_its_cure(
    finished, only_teacher, monkeypatch, beside
):
    missing = Outcome("skipped", "openvino is not installed", "pip install edgecls")
    state = Availability(missing, missing, missing)
    monkeypatch.setattr(targets.get("openvino"), "availability", lambda: state)
    export = {"targets": ["openvino", "onnxruntime"], "precisions": ["fp32"]}
    rows = run(only_teacher(export=export), beside, "edgecls run", Silent()).rows
    skipped = row_of(rows, "teacher", "openvino")
    assert {skipped.converted, skipped.compiled, skipped.measured} == {"skipped"}
    assert (skipped.reason, skipped.fix) == (missing.reason, missing.fix)


def test_a_net_that_cannot_be_exported_keeps_its_reference(finished, monkeypatch, tmp_path, told):
    def fail(*_):
        raise ConversionError("no such operator in ONNX", "use another net")

    monkeypatch.setattr("edgecls.graph.export", fail)
    shop = Workshop(Store(tmp_path / ".store"), finished.recipe, told)
    found = Store(finished.root / ".store")
    link = (finished.result.folder / "models" / "teacher").resolve()
    model = found.find(link.parent.name)
    assert table._graph(shop, "teacher", model) is None
    assert told.notes == ["teacher: no such operator in ONNX"]
    with pytest.raises(ConversionError, match="no such operator"):
        conversion.bundle(shop, "teacher", model, None, targets.get("onnxruntime"), "fp32")
    made = conversion.bundle(shop, "teacher", model, None, targets.get("torch"), "fp32")
    assert (made.out / "meta.json").is_file()


def test_a_bundle_that_fails_in_measuring_is_tried_again(
    finished, only_teacher, monkeypatch, beside, told
):
    def crash(bundles, protocol, progress):
        return [Samples(error="it ended with signal SIGSEGV", fix="export it again")]

    bench = {"launches": 1, "rounds": 1, "queries": 11, "seconds": 0}
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "measure", crash)
        rows = run(only_teacher(bench=bench), beside, "edgecls run", Silent()).rows
    failed = row_of(rows, "teacher", "onnxruntime")
    assert (failed.converted, failed.measured) == ("ok", "failed")
    assert "SIGSEGV" in failed.reason and failed.fix and failed.top1 is not None
    rows = run(only_teacher(bench=bench), beside, "edgecls run", told).rows
    assert row_of(rows, "teacher", "onnxruntime").measured == "ok"
    assert told.stages[:2] == [HASHES, "measuring"]
    assert all(stage.endswith(": operators") for stage in told.stages[2:])


def test_a_bundle_that_fails_its_own_check_is_not_measured(
    finished, only_teacher, monkeypatch, beside
):
    def fail(*_):
        raise EdgeclsError("it fails its own verification", "export it again")

    bench = {"launches": 1, "rounds": 1, "queries": 12, "seconds": 0}
    monkeypatch.setattr(conversion, "scores", fail)
    rows = run(only_teacher(bench=bench), beside, "edgecls run", Silent()).rows
    failed = row_of(rows, "teacher", "onnxruntime")
    assert (failed.measured, failed.reason) == ("failed", "it fails its own verification")
    assert failed.latency_p50_ms is None and failed.files == {}


@pytest.mark.parametrize(
    ("changes", "cause", "fix"),
    [
        ({"ship": "studnet"}, "unknown model in ship: 'studnet'", "did you mean 'student'"),
        ({"reference": "x"}, "unknown model in reference: 'x'", "valid: student, teacher"),
        (
            {"export": {"targets": ["onnxrutime"]}},
            "unknown target: 'onnxrutime'",
            "did you mean 'onnxruntime'",
        ),
        (
            {"export": {"targets": ["torch"], "precisions": ["int8"]}},
            "nothing to export",
            "torch has fp32",
        ),
        ({"export": {"targets": []}}, "export.targets is []", "at least 1 item"),
        (
            {"export": {"targets": ["torch", "torch"]}},
            "export.targets names 'torch' twice",
            "name it once",
        ),
    ],
)
def test_a_wrong_name_is_refused_before_any_training(
    finished, recipe, tmp_path, told, changes, cause, fix
):
    with pytest.raises(UsageError, match=re.escape(cause)) as caught:
        run(recipe(**changes), tmp_path / "run", "edgecls run", told)
    assert fix in caught.value.fix
    assert not [stage for stage in told.stages if stage != HASHES]
