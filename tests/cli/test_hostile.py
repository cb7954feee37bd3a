"""A folder of the world's worst files is trained through; each one that is left out is named."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from edgecls.data.listing import printable


@pytest.fixture(scope="module")
def hostile():
    """tests/data/hostile.py: tests are no package."""
    path = Path(__file__).parents[1] / "data" / "hostile.py"
    spec = spec_from_file_location("hostile", path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_hundred_hostile_files_are_trained_through(edgecls, hostile, tmp_path):
    expected = hostile.make(tmp_path / "images", seed=1)
    train = ("train", "--data", tmp_path / "images", "--arch", "lenet5", "--epochs", 1)
    ended = edgecls(*train, "--batch-size", 16, "--threads", 1, "--out", "net")
    assert ended.status == 0, ended.err
    told = [line for line in ended.err.splitlines() if line.strip().startswith("left out: ")]
    bad = {
        path: reason
        for path, reason in expected.items()
        if reason not in (hostile.USED, hostile.IGNORED)
    }
    assert len(expected) - len(hostile.LABELS) * hostile.GOOD_PER_CLASS == 200 and len(bad) > 50
    listed = json.loads(next((tmp_path / "cwd/.store").glob("*/out/data.json")).read_text())
    reasons = {row["file"]: row["reason"] for row in listed["skipped"]}
    for path, reason in bad.items():
        assert reason in reasons[printable(path)], path
    assert len(told) == len(listed["skipped"])
    assert all(c.isprintable() or c == "\n" for c in ended.err)
