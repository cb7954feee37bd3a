"""The values that pass between the parts."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecls.core import (
    DONE,
    Artifact,
    Dataset,
    Measurement,
    Scheme,
    SilentProgress,
    read_results,
    write_results,
)
from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError, MissingDependency, UsageError, unknown_name

ROW = Measurement(
    model="student",
    target="openvino",
    precision="int8",
    converted="ok",
    compiled="ok",
    measured="failed",
    reason="caf\udce9.bin cannot be read – 二",
    top1=0.5,
    latency_p99_ms_bound=None,
    environment={"features": ["avx2"], "cores": 4},
    files={"latencies": "0" * 64},
)


def test_a_row_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [ROW, ROW.with_(model="Käfer", measured="ok"), ROW.with_(top1=None)]
    write_results(tmp_path / "results.jsonl", rows)
    assert read_results(tmp_path / "results.jsonl") == rows
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]
    assert len((tmp_path / "results.jsonl").read_bytes().splitlines()) == 3


def test_a_row_is_one_line_of_json_and_frozen() -> None:
    line = ROW.with_(reason="two\nlines\u2028and more").to_json()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["schema_version"] == 1
    assert ROW.name == "student · openvino · int8"
    with pytest.raises(FrozenInstanceError):
        ROW.top1 = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version 2, this edgecls reads 1"),
        ({"schema_version": None}, "schema_version None"),
        ({"model": ...}, "row lacks \\['model'\\]$"),
        ({"accuracy": 1.0}, "row has unknown \\['accuracy'\\]$"),
        ({"model": ..., "accuracy": 1.0}, "lacks \\['model'\\] and has unknown \\['accuracy'\\]$"),
    ],
)
def test_a_row_of_another_schema_is_refused(change: dict[str, Any], message: str) -> None:
    data = {**json.loads(ROW.to_json()), **change}
    data = {name: value for name, value in data.items() if value is not ...}
    with pytest.raises(EdgeclsError) as caught:
        Measurement.from_json(json.dumps(data))
    assert re.search(message, caught.value.cause)
    assert caught.value.fix


def test_a_damaged_file_of_rows_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f"{ROW.to_json()}\n\nhello\n")
    with pytest.raises(EdgeclsError) as caught:
        read_results(file)
    assert caught.value.cause == f"{file}: line 3: not a line of results.jsonl: 'hello'"
    assert caught.value.fix


@pytest.mark.parametrize("line", ["", "{", "[]", "null", "7"])
def test_what_is_no_row_is_refused(line: str) -> None:
    with pytest.raises(EdgeclsError, match=r"not a (line|row) of results"):
        Measurement.from_json(line)


def test_every_figure_of_a_row_says_its_unit_or_is_a_share() -> None:
    for each in fields(Measurement):
        if each.type == "float | None":
            units = (
                "_ms",
                "_bound",
                "_per_s",
                "top1",
                "_low",
                "_high",
                "_diff",
                "_agreement",
                "_mj",
                "qps",
            )
            assert each.name.endswith((*units, "p_value"))


def test_a_schemes_name_tells_its_kind() -> None:
    assert Scheme("uint8", False).name == "u8s8-pc"
    assert Scheme("int8", True, per_channel=False).name == "s8s8"
    assert Scheme("uint8", False, reduce_range=True).name == "u8s8-pc-rr"
    assert Scheme("int8", True).to_json()["name"] == "s8s8-pc"


def test_an_artifacts_size_is_that_of_what_its_runtime_reads(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_bytes(b"12345")
    (tmp_path / "model.bin").write_bytes(b"123")
    files = ("model.xml", "model.bin")
    assert Artifact("openvino", "fp32", tmp_path, files, DONE).size_bytes == 8
    some = Artifact("torch", "fp32", tmp_path, files, DONE, size_files=("model.bin",))
    assert some.size_bytes == 3


def test_a_dataset_gives_its_splits_by_name() -> None:
    split = (np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]))
    data = Dataset(("a", "b"), Preprocess((8, 8)), {"train": split}, "fingerprint")
    assert data["train"] is split
    with pytest.raises(KeyError):
        data["test"]
    SilentProgress().step(1, 2, "note")


def test_errors_say_the_cause_and_the_fix() -> None:
    assert str(EdgeclsError("it broke", "mend it")) == "it broke\n  fix: mend it"
    assert str(EdgeclsError("it broke")) == "it broke"
    missing = MissingDependency("tensorrt", "tensorrt")
    assert (missing.cause, missing.fix) == (
        "tensorrt is not installed",
        'pip install "edgecls[tensorrt]"',
    )
    unknown = unknown_name("target", "opnvino", ["torch", "openvino"])
    assert isinstance(unknown, UsageError)
    assert unknown.fix == "did you mean 'openvino'? valid: openvino, torch"
    assert unknown_name("target", "zzz", ["torch"]).fix == "valid: torch"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("model", None, "model is None"),
        ("converted", "perhaps", "converted is 'perhaps'"),
        ("top1", 7, "top1 is 7"),
        ("latency_p50_ms", "x", "latency_p50_ms is 'x'"),
        ("latency_p50_ms", -1, "latency_p50_ms is -1"),
        ("latency_p50_ms", float("nan"), "latency_p50_ms is nan"),
        ("size_bytes", True, "size_bytes is True"),
        ("flags", 3, "flags is 3"),
        ("flags", [3], "flags is [3]"),
        ("device", 7, "device is 7"),
        ("environment", [], "environment is []"),
        ("recommended", 1, "recommended is 1"),
    ],
)
def test_a_row_that_tells_what_none_can_have_is_refused(field, value, told, tmp_path):
    """Choices are made by these figures: 700 % right would be recommended."""
    row = json.loads(Measurement("m", "torch", "fp32", "ok", "ok", "ok").to_json())
    file = tmp_path / "results.jsonl"
    file.write_text(json.dumps({**row, field: value}) + "\n")
    with pytest.raises(EdgeclsError) as caught:
        read_results(file)
    assert caught.value.cause == f"{file}: line 1: {told}" and caught.value.fix


def test_a_failed_conversion_may_differ_by_anything_and_is_read(tmp_path):
    row = Measurement("m", "torch", "fp32", "failed", "skipped", "skipped")
    write_results(tmp_path / "r.jsonl", [row.with_(max_rel_logit_diff=float("inf"))])
    assert read_results(tmp_path / "r.jsonl")[0].max_rel_logit_diff == float("inf")


def test_every_field_of_a_row_has_a_check():
    from edgecls.core import _FITS

    assert {str(f.type) for f in fields(Measurement)} == set(_FITS)


def test_a_line_that_stands_there_twice_is_refused(tmp_path):
    line = Measurement("m", "torch", "fp32", "ok", "ok", "ok").to_json()
    (tmp_path / "r.jsonl").write_text(f"{line}\n\n{line}\n")
    with pytest.raises(EdgeclsError, match="line 3 is line 1 again"):
        read_results(tmp_path / "r.jsonl")
