"""LoadGen's own words are read, and its figures stand beside ours."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgecls.bench import loadgen
from edgecls.bench.settings import Protocol
from edgecls.core import Measurement
from edgecls.errors import MissingDependency, RunnerError, TrustError

# As version 5.1.2 wrote them.
SINGLE = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : SingleStream
Mode     : PerformanceOnly
90.0th percentile latency (ns) : 8958795
Result is : VALID
  Min duration satisfied : Yes

================================================
Additional Stats
================================================
QPS w/ loadgen overhead         : 476.93
QPS w/o loadgen overhead        : 483.01

Min latency (ns)                : 337793
50.00 percentile latency (ns)   : 398067
90.00 percentile latency (ns)   : 8958795
99.00 percentile latency (ns)   : 20749192
99.90 percentile latency (ns)   : 20847758
"""
OFFLINE = """\
Scenario : Offline
Samples per second: 347.376
Result is : INVALID
50.00 percentile latency (ns)   : 15047532950
"""
ROW = Measurement("net", "openvino", "int8", "ok", "ok", "ok")


def test_a_summary_is_read() -> None:
    found = loadgen.parsed(SINGLE)
    assert found.verdict == "VALID" and found.throughput_per_s == 483.01
    assert found.latency_ms[50] == 0.398067 and found.latency_ms[90] == 8.958795
    assert found.latency_ms[99] == 20.749192
    assert loadgen.parsed(OFFLINE).throughput_per_s == 347.376


@pytest.mark.parametrize("text", ["", "Result is : VALID", SINGLE.replace("Result is", "Result")])
def test_what_is_no_summary_is_told(text: str) -> None:
    with pytest.raises(RunnerError, match="not understood"):
        loadgen.parsed(text)


def test_its_figures_stand_beside_ours() -> None:
    row = ROW.with_(latency_p50_ms=0.4, latency_p90_ms=9.0, latency_p99_ms=20.0)
    line = loadgen.beside(row, loadgen.parsed(SINGLE))
    assert "p50 0.3981 ms, ours 0.4 ms (+0.5%)" in line
    assert "p90 8.959 ms, ours 9 ms" in line and line.endswith("VALID")
    lot = ROW.with_(scenario="offline", throughput_per_s=400.0, latency_p50_ms=1.0)
    line = loadgen.beside(lot, loadgen.parsed(OFFLINE))
    assert line == "LoadGen: images/s 347.4, ours 400 (+15.1%); INVALID"


def test_each_row_has_a_folder_of_its_own(tmp_path: Path) -> None:
    found = loadgen.folders(["a-x-int8", "b/../c", "a-x-int8", "…", "a-x-int8"], tmp_path)
    assert [path.name for path in found] == [
        *("a-x-int8", "b-..-c", "a-x-int8-2", "row", "a-x-int8-3"),
    ]
    assert all(path.parent == tmp_path for path in found)


def test_without_it_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loadgen, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="mlcommons-loadgen is not installed") as caught:
        loadgen.check()
    assert caught.value.fix == 'pip install "edgecls[loadgen]"'


def test_a_changed_runner_is_not_run_without_trust_in_it(fake_bundle, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    bundle = fake_bundle(start=f"open({str(marker)!r}, 'w')")
    with pytest.raises(TrustError, match="not of the installed kit"):
        loadgen.run(bundle, Protocol(), 1.0, tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("asked", "due_s"),
    [
        ({"seconds": 10.0, "queries": 5}, 10.0),
        ({"seconds": 10.0, "queries": 700}, 70.0),
        ({"seconds": 10.0, "queries": 700, "scenario": "server", "qps": 0.05}, 14_000.0),
    ],
)
def test_it_is_waited_for_until_all_queries_have_come(
    fake_bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Any, due_s: float
) -> None:
    def hangs(command: list[str], timeout: float, **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    limit_s = loadgen.PATIENCE_S + loadgen.PATIENCE * due_s
    with pytest.raises(RunnerError, match=f"took more than {limit_s:.0f} s"):
        loadgen.run(fake_bundle(), Protocol(**asked), 100.0, tmp_path, trust_code=True)


needs_loadgen = pytest.mark.skipif(
    importlib.util.find_spec("mlperf_loadgen") is None, reason="mlcommons-loadgen is not installed"
)


@needs_loadgen
@pytest.mark.parametrize(
    "protocol",
    [
        Protocol(queries=80, seconds=0.0),
        Protocol(queries=10, seconds=0.0, scenario="multi-stream", samples_per_query=3),
        Protocol(queries=1, seconds=0.0, scenario="offline", samples_per_query=16),
        Protocol(queries=20, seconds=0.0, scenario="server", qps=200.0),
    ],
    ids=lambda protocol: protocol.scenario,
)
def test_a_bundle_runs_under_it_in_every_scenario(
    fake_bundle, tmp_path: Path, protocol: Protocol
) -> None:
    found = loadgen.run(fake_bundle(), protocol, 1.0, tmp_path, trust_code=True)
    assert found.latency_ms[50] > 0 and found.verdict in ("VALID", "INVALID")
    detail = (tmp_path / "mlperf_log_detail.txt").read_text()
    assert f'requested_scenario", "value": "{NAMES[protocol.scenario]}' in detail
    assert (tmp_path / loadgen.SUMMARY).is_file()


NAMES = {
    "single-stream": "SingleStream",
    "multi-stream": "MultiStream",
    "offline": "Offline",
    "server": "Server",
}


@needs_loadgen
@pytest.mark.parametrize("scenario", [{}, {"scenario": "server", "qps": 500.0}])
def test_a_bundle_that_fails_under_it_is_told(fake_bundle, tmp_path: Path, scenario) -> None:
    bundle = fake_bundle(run="if self.queries > 70: raise ValueError('oh')")
    protocol = Protocol(queries=80, seconds=0.0, **scenario)
    with pytest.raises(RunnerError, match=r"under LoadGen ended with 1: .*ValueError: oh"):
        loadgen.run(bundle, protocol, 1.0, tmp_path, trust_code=True)
    assert "mlperf_loadgen" not in sys.modules


@needs_loadgen
@pytest.mark.parametrize("wrong", [{"seed": 10**30}, {"scenario": "burst"}])
def test_a_test_that_cannot_begin_ends_the_process(
    fake_bundle, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    script = Path(loadgen.__file__).with_name("_loadgen.py")
    asked = {
        "bundle": str(fake_bundle().resolve()),
        "threads": 1,
        "scenario": "server",
        "queries": 5,
        "seconds": 0.0,
        "samples": 1,
        "qps": 100.0,
        "seed": 0,
        "expected_ms": 1.0,
        "logs": str(tmp_path),
        **wrong,
    }
    command = [sys.executable, "-I", "-B", script, json.dumps(asked)]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode


@needs_loadgen
def test_a_lot_is_not_a_part_of_many_copies(fake_bundle, tmp_path: Path) -> None:
    """They would be most of the memory that is seen."""
    copied = "images.base is not None and images.base.nbytes > 2 * images.nbytes"
    bundle = fake_bundle(run=f"if {copied}: raise ValueError('copies')")
    lots = Protocol(queries=1, seconds=0.0, scenario="offline", samples_per_query=48)
    assert loadgen.run(bundle, lots, 1.0, tmp_path, trust_code=True).latency_ms[50] > 0
