"""The run folder: what is written is read, and what has changed is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecls.errors import EdgeclsError
from edgecls.rundir import (
    Budget,
    ModelInfo,
    RunInfo,
    StageInfo,
    add_arrays,
    add_file,
    read_arrays,
    read_file,
    write_text,
)

MODEL = ModelInfo(
    name="student",
    arch="resnet8",
    method="prune",
    parents=("teacher",),
    options={"epochs": 3, "channels": [1, 2]},
    num_params=1000,
    macs=20000,
    size_bytes=4000,
    metrics={"validation": {"top1": 0.9}},
    edits=({"edit": "prune", "version": 1},),
    curves="0" * 64,
)
INFO = RunInfo(
    name="demo",
    command="edgecls run --data caf\udce9",
    created="2026-01-01T00:00:00+00:00",
    version="0.1.0",
    seed=0,
    reference="teacher",
    shipped="student",
    labels=("Käfer", "甲虫"),
    budget=Budget(0.02, 1.5, None),
    data={"skipped": [{"file": "caf\udce9.png", "reason": "empty file"}]},
    plan={"reasons": ["tiny"], "minutes": 1.5},
    models=(MODEL,),
    stages=(StageInfo("data", 1.5, True),),
    environment={"cpu": "one"},
)


def test_a_run_is_read_as_it_was_written_with_names_that_are_not_utf_8(tmp_path: Path) -> None:
    INFO.write(tmp_path)
    assert RunInfo.read(tmp_path) == INFO
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    (tmp_path / "run.json").read_bytes().decode("ascii")


def test_a_folder_that_is_no_run_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(EdgeclsError, match=r"not a finished run: it has no run\.json") as caught:
        RunInfo.read(tmp_path)
    assert "edgecls run" in caught.value.fix


def spoil(**changes: Any) -> Any:
    return lambda data: {**data, **changes}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: [], "unknown format None"),
        (spoil(format=2), "unknown format 2"),
        (spoil(more=1), "fields of RunInfo do not fit"),
        (spoil(models=[{"name": "student"}]), "fields of ModelInfo do not fit"),
        (spoil(models=7), "is damaged"),
        (spoil(budget=None), "is damaged"),
        (lambda data: {k: v for k, v in data.items() if k != "stages"}, "is damaged: 'stages'"),
        (lambda data: {k: v for k, v in data.items() if k != "labels"}, "RunInfo do not fit"),
    ],
)
def test_another_shape_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    INFO.write(tmp_path)
    data = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(change(data)), encoding="utf-8")
    with pytest.raises(EdgeclsError, match=message):
        RunInfo.read(tmp_path)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    INFO.write(tmp_path)
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    (tmp_path / "run.json").write_text(text[:100], encoding="utf-8")
    with pytest.raises(EdgeclsError, match=r"run\.json is damaged"):
        RunInfo.read(tmp_path)


def test_text_replaces_a_file_in_one_step(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "one")
    write_text(tmp_path / "a.txt", "zwei – 二\n")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "zwei – 二\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_side_file_is_named_by_its_hash_and_kept_once(tmp_path: Path) -> None:
    digest = add_file(tmp_path, b"curves", "json")
    assert digest == add_file(tmp_path, b"curves", "json") == hashlib.sha256(b"curves").hexdigest()
    assert [path.name for path in (tmp_path / "files").iterdir()] == [f"{digest}.json"]
    assert read_file(tmp_path, digest, "json") == b"curves"


def test_a_side_file_that_is_missing_or_changed_is_refused(tmp_path: Path) -> None:
    digest = add_file(tmp_path, b"curves", "json")
    with pytest.raises(EdgeclsError, match="is missing"):
        read_file(tmp_path, digest, "npz")
    (tmp_path / "files" / f"{digest}.json").write_bytes(b"Curves")
    with pytest.raises(EdgeclsError, match="has changed"):
        read_file(tmp_path, digest, "json")


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {"latency_ms": np.array([1.5, 2.5]), "round": np.arange(2), "empty": np.zeros((0, 3))}
    digest = add_arrays(tmp_path, arrays)
    found = read_arrays(tmp_path, digest)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_arrays_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pickle"):
        add_arrays(tmp_path, {"objects": np.array([object()])})
