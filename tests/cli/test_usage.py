"""Whatever is asked wrongly ends with a sentence and a status, never with a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecls import targets
from edgecls.cli import COMMANDS

WRONG = [
    # command line, what stands on stderr
    ("exprot", "did you mean 'export'"),
    ("zzz", "valid: bench, compare, data, distill"),
    ("--nonsense", "No such option"),
    ("export", "Missing argument"),
    ("export {checkpoint}", "Missing option '--target'"),
    ("export {checkpoint} --taget torch", "--target"),
    ("export no/such --target torch", "is not a checkpoint"),
    ("export {file} --target torch", "is not a checkpoint"),
    ("export {checkpoint} --target onnxrutime", "did you mean 'onnxruntime'"),
    ("export {checkpoint} --target torch --precision int4", "'int4' is not one of"),
    ("export {checkpoint} --target torch --precision int8", "torch has no int8"),
    ("export {checkpoint} --target torch --for toaster", "'toaster' is not one of"),
    ("export {checkpoint} --target torch --batch 0", "neither a number from 1"),
    ("export {checkpoint} --target torch --batch many", "nor dynamic"),
    ("export {checkpoint} --target openvino-npu --batch dynamic", "takes a fixed number"),
    ("export {checkpoint} --target tensorrt-dla --for rtx", "no DLA"),
    ("quantize {checkpoint} --target onnxruntime --for toaster", "'toaster' is not one of"),
    ("targets --for toaster", "'toaster' is not one of"),
    ("run --for toaster", "'toaster' is not one of"),
    ("run --set export.for=toaster", "export.for is 'toaster'"),
    ("run --set export.fro=here", "did you mean 'for'"),
    ("export {checkpoint} --target torch --out {full}", "exists already"),
    ("export {checkpoint} --target torch --out {file}", "exists already"),
    ("export {checkpoint} --target torch --out {full} --force", "replaces nothing else"),
    ("export {checkpoint} --target torch --out {checkpoint} --force", "which it would replace"),
    ("export {checkpoint} --target torch --out {checkpoint}/.. --force", "it would replace"),
    ("prune --model {checkpoint} --out {checkpoint} --force", "which it would replace"),
    ("quantize {checkpoint} --target torch", "torch has no int8"),
    ("quantize no/such --target onnxruntime", "is not a checkpoint"),
    ("run no/such.toml", "there is no recipe"),
    ("run {full}", "is a folder, not a recipe"),
    ("run {file}", "is not TOML"),
    ("run --set sede=1", "did you mean 'seed'"),
    ("run --set seed", "is not key=value"),
    ("run --set seed=soon", "seed should be a valid integer"),
    ("run --set data=5", "data is 5"),
    ("run --set data=5 --data x", "not a table"),
    ("run --set data.path=5", "data.path is 5"),
    ("run --set name=../up", "name is '../up'"),
    ("run --set data.test=0.99", "less than a tenth"),
    ("run --set bench.seconds=inf", "finite"),
    ("run --set export.targets=[]", "at least 1 item"),
    ("run --data no/such", "is not there"),
    ("run --data {file}", "is a file, not a folder"),
    ("run --data {images} --out {images}/run", "lies inside the images' folder"),
    ("run --out {file}", "is a file"),
    ("run --out {full}", "is not empty"),
    ("run --data {images} --set models.techer.epochs=1", "models.techer has no method"),
    ("run --data {images} --set models.teacher.epochz=1", "did you mean 'epochs'"),
    ("run --data {images} --set models.teacher.arch=resnet21", "did you mean 'resnet"),
    ("run --data {images} --set export.targets=['torhc']", "did you mean 'torch'"),
    ("run --data {images} --set ship=x", "unknown model in ship: 'x'"),
    ("run --data {images} --set reference=x", "unknown model in reference: 'x'"),
    ("run --out /proc/run", "nothing can be made in /proc"),
    ("run --set tensorboard={file}", "is a file, and TensorBoard's files need a folder"),
    ("init /proc/recipe.toml", "nothing can be made in /proc"),
    ("train --out /proc/net", "choose a place where you may write with --out"),
    ("train --out {file}/net", "is not a folder"),
    ("train --tensorboard {file}", "is a file, and TensorBoard's files need a folder"),
    ("train --tensorboard /proc/events", "you may write with --tensorboard"),
    ("export {checkpoint} --target torch --out /proc/x", "nothing can be made in /proc"),
    ("bench {bundle} --out /proc/rows.jsonl", "nothing can be made in /proc"),
    ("evaluate {checkpoint} --out /proc/x", "nothing can be made in /proc"),
    ("evaluate {checkpoint} --calibrated /proc/x", "nothing can be made in /proc"),
    ("data inspect {images} --out /proc/x", "nothing can be made in /proc"),
    ("init {full}/mine", "exists already"),
    ("init no/such/recipe.toml", "there is no folder"),
    ("train --data no/such", "is not there"),
    ("train --data {images} --out {images}/net", "lies inside the images' folder"),
    ("train --epochs 0", "train.epochs is 0"),
    ("train --epochs many", "is not a valid integer"),
    ("train --batch-size 7", "multiple of 2"),
    ("train --lr nan", "finite"),
    ("train --augment heavy", "is not one of"),
    ("train --seed -1", "seed is -1"),
    ("train --set data=5", "data is 5"),
    ("train --out {full}", "exists already"),
    ("train --data {images} --arch lenet6", "did you mean 'lenet5'"),
    ("train --data {images} --arch lenet5 --set data.size=8", "cannot take images of 8×8"),
    ("distill", "Missing option '--teacher'"),
    ("distill --teacher no/such", "does not exist"),
    ("distill --teacher {full}", "is not a checkpoint"),
    ("prune --model {checkpoint} --macs-ratio 1", "prune.macs_ratio is 1"),
    ("predict {bundle}", "Missing argument"),
    ("bench", "Missing argument"),
    ("bench {bundle} --launches 0", "--launches"),
    ("bench {bundle} --seconds -1", "--seconds"),
    ("bench {bundle} --seconds nan", "--seconds"),
    ("bench {bundle} --mode slow", "--mode"),
    ("bench {bundle} --scenario sever", "--scenario"),
    ("bench {bundle} --scenario server", "give --qps"),
    ("bench {bundle} --qps 5", "single-stream has no rate"),
    ("bench {bundle} --scenario server --qps 0", "--qps"),
    ("bench {bundle} --scenario server --qps nan", "is not a number"),
    ("bench {bundle} --seed 4", "single-stream draws no arrivals"),
    ("bench {bundle} --scenario offline --seed 0", "give --seed with"),
    ("bench {bundle} --images 3", "add --data"),
    ("bench {bundle} --samples 4", "--samples goes with"),
    ("bench {bundle} --scenario offline --samples 0", "--samples"),
    ("bench {bundle} --scenario offline --early-stop", "leave out --early-stop"),
    ("bench {bundle} --launches 3 --early-stop", "give --launches 4 or more"),
    ("bench {bundle} --scenario server --qps 5 --seed 10000000000000", "--seed"),
    ("bench {bundle} --loadgen {file}", "is a file"),
    ("bench {bundle} --loadgen {full}", "is not empty"),
    ("bench {bundle} --loadgen logs --on ssh://pi", "on this machine alone"),
    ("bench {bundle} --on pi", "names no device"),
    ("bench {bundle} --on ssh://-oProxyCommand=x", "is no address of ssh"),
    ("bench {bundle} --on adb://-s", "names no device of adb"),
    ("bench {bundle} --setup", "on devices behind ssh"),
    ("bench {bundle} --on adb://x --cpus 0-3", "is no mask of taskset"),
    ("bench {bundle} --cpus f", "not on this machine"),
    ("bench {bundle} --data no/such", "is not there"),
    ("bench {bundle} --images 0", "--images"),
    ("bench {bundle} --out {file}", "exists already"),
    ("bench {bundle} --out {full} --force", "is a folder"),
    ("bench {bundle} --force", "--force is to overwrite"),
    ("bench {bundle} --on local --on local", "names a device twice"),
    ("bench {bundle} --threads 1000", "--threads 1000 on"),
    ("bench no/such", "there is no no/such"),
    ("verify no/such", "there is no no/such"),
    ("predict no/such x.png", "there is no no/such"),
    ("report no/such", "there is no no/such"),
    ("report {file} {full} --out page.md", "name it with .html"),
    ("compare {file} no/such", "there is no no/such"),
    ("compare {file} {full} --force", "--force is to overwrite"),
    ("compare {file} {full} --junit {images} --force", "is a folder"),
    ("run --set models.m.macs_ratio=nan", "models.m.macs_ratio is nan"),
    ("bench {bundle} --out no/such/rows.jsonl", "there is no folder"),
]

FAILING = [
    ("run --data {full}", "no class folders"),
    ("train --data {full}", "no class folders"),
    ("verify {full}", "is not a bundle"),
    ("verify {file}", "is not a bundle: it is a file"),
    ("report /dev/null", "is not a finished run"),
    ("compare {file} /dev/null", "not a line of results.jsonl"),
    ("report {full}", "is not a finished run"),
]


@pytest.fixture
def places(tiny_checkpoint, tiny_bundle, digit_images, tmp_path) -> dict[str, Path]:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("years of work")
    (tmp_path / "file").write_text("mine")
    return {
        "checkpoint": tiny_checkpoint,
        "bundle": tiny_bundle,
        "images": digit_images,
        "full": tmp_path / "full",
        "file": tmp_path / "file",
    }


def check(edgecls, places, line: str, text: str, status: int) -> None:
    ended = edgecls(*(word.format(**places) for word in line.split()))
    assert ended.status == status, ended.err
    assert text in ended.err
    assert "error: " in ended.err.lower() and "Traceback" not in ended.err
    assert ended.out == ""
    assert (places["full"] / "mine").read_text() == "years of work"
    assert places["file"].read_text() == "mine"
    assert len(list(places["full"].iterdir())) == 1


@pytest.mark.parametrize(("line", "text"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_command_line_ends_with_2(edgecls, places, line, text):
    check(edgecls, places, line, text, 2)


@pytest.mark.parametrize(("line", "text"), FAILING, ids=[line for line, _ in FAILING])
def test_a_failure_ends_with_1(edgecls, places, line, text):
    check(edgecls, places, line, text, 1)


def test_a_run_in_a_folder_that_is_at_work_ends_with_1(edgecls, digit_images, tmp_path):
    from edgecls.store import lock

    with lock(tmp_path / "run" / ".lock", wait=False):
        ended = edgecls("run", "--data", digit_images, "--out", tmp_path / "run")
    assert ended.status == 1 and "another run is at work" in ended.err


def test_without_a_command_it_says_what_there_is(edgecls):
    ended = edgecls()
    assert ended.status == 2 and "export" in ended.err + ended.out


@pytest.mark.parametrize("command", [*COMMANDS, ""])
def test_every_command_helps(edgecls, command):
    for flag in ("-h", "--help") if not command else ("--help",):
        ended = edgecls(*([command] if command else []), flag)
        assert ended.status == 0 and ended.out.startswith("Usage: edgecls") and not ended.err


def test_help_texts_say_one_thing(edgecls):
    """The list of commands and a command's own help do not disagree."""
    for name, (_, text) in COMMANDS.items():
        words = edgecls(name, "--help").out.split("Options:")[0].split()
        assert " ".join(text.rstrip(".").split()[:3]) in " ".join(words), name


def test_the_version_is_told(edgecls):
    from edgecls import __version__

    assert edgecls("--version").out == f"edgecls, version {__version__}\n"


def test_targets_are_all_listed_with_what_this_machine_can_do(edgecls):
    ended = edgecls("targets")
    assert ended.status == 0 and not ended.err
    rows = {line.split()[0]: line.split() for line in ended.out.splitlines()}
    for name in targets.names():
        target = targets.get(name)
        assert rows[name][1] == ",".join(target.precisions)
        state = target.availability()
        can = [step.status == "ok" for step in (state.convert, state.compile, state.run)]
        assert [word == "yes" for word in rows[name][2:5]] == can
        if not all(can):
            assert f"{name}: cannot" in ended.out and "fix: " in ended.out


def test_an_interruption_says_that_nothing_is_lost(edgecls, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecls.pipeline.run.run", interrupt)
    ended = edgecls("run")
    assert ended.status == 130 and "goes on where it was" in ended.err


@pytest.mark.parametrize(
    ("line", "place", "told"),
    [
        ("train", "edgecls.pipeline.single.apply_method", "stopped: the same command goes on"),
        ("export x --target torch", "edgecls.pipeline.single.export", "no bundle was written"),
        ("quantize x --target torch", "edgecls.pipeline.quantized.convert", "nothing was written"),
        ("evaluate x", "edgecls.pipeline.evaluate.evaluate", "no result was written"),
        ("predict . y.png", "edgecls.packed.opened", "stopped\n"),
    ],
)
def test_an_interruption_says_what_is_left(edgecls, monkeypatch, line, place, told):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupt)
    ended = edgecls(*line.split())
    assert ended.status == 130 and told in ended.err
    assert ("goes on where it was" in ended.err) == (line == "train")


def test_a_full_disk_is_told_in_the_systems_words(edgecls, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "runs/demo/results.part")

    monkeypatch.setattr("edgecls.pipeline.run.run", full)
    ended = edgecls("run")
    assert ended.status == 1
    assert "No space left on device: 'runs/demo/results.part'" in ended.err
    assert "fix: free some space" in ended.err


def test_a_scheduler_that_ends_it_is_told_that_nothing_is_lost(edgecls, monkeypatch):
    def work(*args):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("edgecls.pipeline.run.run", work)
    before = signal.getsignal(signal.SIGTERM)
    try:
        ended = edgecls("run")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.status == 143 and "goes on where it was" in ended.err


def test_the_process_ends_without_a_last_search_for_garbage():
    """It takes seconds where PyTorch was imported."""
    code = """
import gc
gc.freeze = lambda: print("frozen")
from edgecls.cli import main
main(["--version"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "frozen", done.stderr


def test_a_run_is_called_after_its_recipe_or_its_images(edgecls, monkeypatch, tmp_path):
    from edgecls.errors import EdgeclsError

    seen = []

    def note(recipe, out, command, events, force):
        seen.append((recipe.name, str(out)))
        raise EdgeclsError("that is all")

    monkeypatch.setattr("edgecls.pipeline.run.run", note)
    (tmp_path / "my recipe!.toml").write_text("")
    (tmp_path / "named.toml").write_text('name = "given"')
    edgecls("run")
    edgecls("run", "--data", tmp_path / "Café photos")
    edgecls("run", tmp_path / "my recipe!.toml")
    edgecls("run", tmp_path / "named.toml", "--out", "elsewhere")
    assert seen == [
        ("demo", "runs/demo"),
        ("Café-photos", "runs/Café-photos"),
        ("my-recipe", "runs/my-recipe"),
        ("given", "elsewhere"),
    ]


def test_targets_for_a_jetson_tell_its_schemes_and_its_jetpacks(edgecls):
    ended = edgecls("targets", "--for", "jetson-orin")
    assert ended.status == 0 and not ended.err
    assert "onnxruntime        s8s8-pc: Arm's dot product" in ended.out
    assert "JetPack" in ended.out and "36.4.3" in ended.out and "12.6" in ended.out
    assert "--system-site-packages" in ended.out and "numpy 2.2" in ended.out
    assert "JetPack" not in edgecls("targets", "--for", "x86-avx2").out
    # What this machine can do is another question.
    assert ended.out.startswith("for jetson-orin") and "cannot" not in ended.out


def test_targets_are_told_as_json(edgecls):
    told = json.loads(edgecls("targets", "--for", "jetson-orin", "--json").out)
    assert told["for"]["profile"] == "jetson-orin" and any("JetPack" in n for n in told["notes"])
    rows = {row["name"]: row for row in told["targets"]}
    assert set(rows) == set(targets.names())
    assert rows["tensorrt"]["int8"]["scheme"] == "s8s8-pc" and "int8" not in rows["torch"]
    assert rows["torch"]["run"] == {"status": "ok", "reason": "", "fix": ""}
    assert rows["tensorrt"]["run"]["fix"]
    assert json.loads(edgecls("targets", "--json").out)["notes"] == []


def test_the_doctor_tells_the_parts_in_a_table_and_as_json(edgecls):
    ended = edgecls("doctor", "--no-imports")
    assert ended.status == 0 and not ended.err
    assert ended.out.startswith("machine\n") and "\nbase\n" in ended.out
    told = json.loads(edgecls("doctor", "--no-imports", "--json").out)
    assert told["ok"] and {check["part"] for check in told["checks"]} > {"machine", "base"}


def test_a_broken_base_ends_with_1(edgecls, monkeypatch):
    from edgecls.doctor import Check, imports

    broken = Check("imports", "torch", "broken", "libgone.so", "pip install torch")
    monkeypatch.setattr(imports, "check", lambda found: iter([broken]))
    ended = edgecls("doctor")
    assert ended.status == 1 and "does not work" in ended.err
    assert "✗ torch" in ended.out and "fix: pip install torch" in ended.out
    ended = edgecls("doctor", "--json")
    assert ended.status == 1 and json.loads(ended.out)["ok"] is False
