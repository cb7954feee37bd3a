"""`export --target all`: a row for each conversion, whatever becomes of the others."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from edgecls import hardware, targets
from edgecls.core import DONE, Purpose
from edgecls.device import meta
from edgecls.device.preprocess import Preprocess
from edgecls.hardware import profiles
from edgecls.models import checkpoint as checkpoints
from edgecls.pipeline import everywhere, one_export
from edgecls.pipeline.events import Silent
from edgecls.pipeline.everywhere import Limits, Row, _swept, export_everywhere
from edgecls.pipeline.watched import Watched, session_bytes

ONE_AT_ONCE = Limits(jobs=1)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the targets whose runtimes are always here."""
    monkeypatch.setattr(targets, "names", lambda: ["onnxruntime", "openvino"])


def test_all_targets_are_converted_once_and_then_stand(two, tiny_checkpoint: Path, tmp_path: Path):
    asked = {"precision": "fp32", "limits": ONE_AT_ONCE}
    found = export_everywhere(tiny_checkpoint, tmp_path / "all", Silent(), **asked)
    assert [row.name for row in found] == ["onnxruntime fp32", "openvino fp32"]
    assert all(row.outcome.status == "ok" and row.seconds > 0 for row in found)
    assert all(row.size_bytes > 100_000 for row in found)
    (found[0].folder / "model.onnx").unlink()
    taken, stands = export_everywhere(tiny_checkpoint, tmp_path / "all", Silent(), **asked)
    assert taken.outcome.status == "failed" and "exists already" in taken.outcome.reason
    assert "remove" in taken.outcome.fix and stands.outcome.status == "ok"
    again = export_everywhere(tiny_checkpoint, tmp_path / "all", Silent(), **asked, force=True)
    assert all(row.seconds > 0 for row in again)
    stand = export_everywhere(tiny_checkpoint, tmp_path / "all", Silent(), **asked)
    assert [row.seconds for row in stand] == [0.0, 0.0]
    assert not list((tmp_path / "all").glob(".*"))


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 7.5},
        {"labels": tuple("abcdefghij")},
        {"preprocess": Preprocess((32, 32), mode="L", mean=(0.4,), std=(0.25,))},
        {},
    ],
)
def test_a_bundle_of_a_changed_checkpoint_does_not_stand(
    tiny_bundle: Path, tiny_checkpoint: Path, changed: dict[str, Any]
):
    row = Row("onnxruntime", "fp32", DONE, tiny_bundle)
    found = replace(checkpoints.load(tiny_checkpoint), **changed)
    assert everywhere._stands(row, found, Purpose()) is not bool(changed)


def test_a_bundle_for_another_cpu_does_not_stand(
    tiny_bundle: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    row, found = Row("onnxruntime", "fp32", DONE, tiny_bundle), checkpoints.load(tiny_checkpoint)
    here = hardware.here()
    assert everywhere._stands(row, found, Purpose())
    monkeypatch.setattr(profiles, "here", lambda: replace(here, features=("avx2",)))
    assert not everywhere._stands(row, found, Purpose())


def test_on_an_arm_board_what_was_made_there_stands(
    bundle_copy: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    board = replace(hardware.PROFILES["arm64"], profile=hardware.HERE)
    monkeypatch.setattr(profiles, "here", lambda: board)
    made = meta.read(str(bundle_copy))
    details = {"target": "litert", "hardware": board.to_json()}
    meta.write(str(bundle_copy), replace(made, **details))
    row = Row("litert", "fp32", DONE, bundle_copy)
    assert everywhere._stands(row, checkpoints.load(tiny_checkpoint), Purpose())


def test_one_that_does_not_end_costs_its_own_row(
    two, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = everywhere.Watched

    def hanging(command: list[str], timeout_s: float, memory_bytes: int) -> Watched:
        asked = json.loads(command[-1])
        if asked.get("target") == "onnxruntime":
            part = Path(asked["out"]).parent / ".onnxruntime-fp32-a1b2c3d4"
            code = f"import os, time; os.makedirs({str(part)!r}); time.sleep(600)"
            return real([sys.executable, "-c", code], 3.0, memory_bytes)
        return real(command, timeout_s, memory_bytes)

    monkeypatch.setattr(everywhere, "Watched", hanging)
    asked = {"precision": "fp32", "limits": ONE_AT_ONCE}
    slow, good = export_everywhere(tiny_checkpoint, tmp_path / "all", Silent(), **asked)
    assert slow.outcome.status == "failed" and "did not end in 3 s" in slow.outcome.reason
    assert good.outcome.status == "ok"
    assert [each.name for each in (tmp_path / "all").iterdir()] == ["openvino-fp32"]


def test_a_batch_that_a_target_has_not_skips_it(two, tiny_checkpoint: Path, tmp_path: Path):
    asked = {"precision": "bf16", "purpose": Purpose(batch="dynamic"), "limits": ONE_AT_ONCE}
    (row,) = export_everywhere(tiny_checkpoint, tmp_path / "all", Silent(), **asked)
    assert row.name == "openvino bf16"
    assert row.outcome.status in ("ok", "skipped")


def waited(process: Watched) -> everywhere.Outcome:
    while (outcome := process.outcome()) is None:
        time.sleep(0.05)
    return outcome


def test_a_process_that_crashes_is_told_with_its_signal():
    code = "import os, sys; sys.stderr.write('deep inside'); sys.stderr.flush(); os.abort()"
    outcome = waited(Watched([sys.executable, "-c", code], 60.0))
    assert outcome.status == "failed"
    assert "SIGABRT" in outcome.reason and "deep inside" in outcome.reason


def test_what_is_no_outcome_is_a_failure():
    outcome = waited(Watched([sys.executable, "-c", "print('hello')"], 60.0))
    assert outcome.status == "failed" and "exit status 0" in outcome.reason


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a session")
def test_a_process_whose_children_fill_the_memory_is_stopped_with_them():
    hog = "import time; x = bytearray(400_000_000); time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hog!r}])"
    process = Watched([sys.executable, "-c", code], 60.0, memory_bytes=200_000_000)
    session = process._popen.pid
    outcome = waited(process)
    assert outcome.status == "failed" and "more than 0.2 GB" in outcome.reason
    deadline = time.monotonic() + 10
    while session_bytes(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert session_bytes(session) == 0


def test_what_another_conversion_has_begun_beside_it_is_left(tmp_path):
    """As `places.place` names them."""
    names = ("int8", "int8-dynamic", "int8")
    own, other, again = (Path(mkdtemp(prefix=f".litert-{name}-", dir=tmp_path)) for name in names)
    _swept(tmp_path / "litert-int8")
    assert not own.exists() and not again.exists() and other.is_dir()


def test_a_full_disk_is_a_failure_in_the_systems_words(monkeypatch, capfd):
    def full(asked):
        raise OSError(28, "No space left on device", "bundles")

    monkeypatch.setattr(one_export, "convert", full)
    monkeypatch.setattr("sys.argv", ["one_export", "{}"])
    kept = os.dup(1)
    try:
        one_export.main()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    told = json.loads(capfd.readouterr().out)
    assert told["status"] == "failed" and "No space left on device: 'bundles'" in told["reason"]
    assert told["fix"]
