"""The recommended row's operators are kept; a runtime without a profiler is no error."""

from __future__ import annotations

import json
import subprocess

import pytest

from edgecls.core import Measurement
from edgecls.errors import RunnerError
from edgecls.pipeline import profiling
from edgecls.pipeline.workshop import Workshop
from edgecls.rundir import read_file
from edgecls.store import Store

TOLD = {
    "ok": True,
    "profiler": "onnxruntime",
    "queries": 50,
    "operators": [{"name": "conv", "type": "Conv", "ms": 0.1}],
}


@pytest.fixture
def shop(recipe, told, tmp_path):
    return Workshop(Store(tmp_path / "store"), recipe(), told)


@pytest.fixture
def asked(monkeypatch):
    """Stands for a runner: ``asked(answer)`` -> the requests that it gets."""

    def make(answer):
        requests = []

        class Runner:
            def __init__(self, bundle, threads):
                requests.append((bundle.name, threads))

            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

            def ask(self, request):
                requests.append(request)
                if isinstance(answer, Exception):
                    raise answer
                return answer

        monkeypatch.setattr(profiling, "Runner", Runner)
        return requests

    return make


@pytest.fixture
def rows(tiny_bundle, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "bundle").symlink_to(tiny_bundle)
    row = Measurement("net", "onnxruntime", "fp32", "ok", "ok", "ok", bundle="bundle")
    return [row, row.with_(recommended=True, files={"latencies": "x"})]


def test_the_recommended_row_is_profiled_once_and_no_other(shop, told, asked, rows, tmp_path):
    requests = asked(TOLD)
    other, best = profiling.with_operators(shop, rows, tmp_path / "run")
    assert other == rows[0] and set(best.files) == {"latencies", "operators"}
    kept = json.loads(read_file(tmp_path / "run", best.files["operators"], "json"))
    assert kept == {key: value for key, value in TOLD.items() if key != "ok"}
    assert requests == [("bundle", 1), {"do": "profile", "queries": profiling.QUERIES}]
    assert profiling.with_operators(shop, rows, tmp_path / "run") == [other, best]
    assert len(requests) == 2 and told.stages == ["net · onnxruntime · fp32: operators"]


def test_a_runtime_without_a_profiler_has_no_file_and_nothing_is_said(
    shop, told, asked, rows, tmp_path
):
    requests = asked(RunnerError("net: the kit of ncnn has no profiler", "ask another"))
    assert profiling.with_operators(shop, rows, tmp_path / "run") == rows
    assert told.notes == [] and len(requests) == 2
    # Nor is it asked again.
    assert profiling.with_operators(shop, rows, tmp_path / "run") == rows
    assert len(requests) == 2


def test_one_that_fails_at_it_keeps_its_row_and_is_told(shop, told, asked, rows, tmp_path):
    asked(RunnerError("net ended with signal SIGSEGV"))
    assert profiling.with_operators(shop, rows, tmp_path / "run") == rows
    assert told.notes == ["net · onnxruntime · fp32: net ended with signal SIGSEGV"]


@pytest.mark.parametrize(
    "error", [OSError("no such interpreter"), subprocess.SubprocessError("preexec_fn failed")]
)
def test_one_that_cannot_be_started_keeps_its_row_too(shop, told, asked, rows, tmp_path, error):
    asked(error)
    assert profiling.with_operators(shop, rows, tmp_path / "run") == rows
    assert told.notes == [f"net · onnxruntime · fp32: {error}"]
