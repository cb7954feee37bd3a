"""The bundles that were measured, under LoadGen: one that fails costs its own line alone."""

from __future__ import annotations

from edgecls.bench.loadgen import Summary
from edgecls.bench.settings import Protocol
from edgecls.core import Measurement
from edgecls.errors import RunnerError
from edgecls.pipeline import loadgen

ROW = Measurement("net", "onnxruntime", "fp32", "ok", "ok", "ok", latency_p50_ms=2.0)


def test_a_bundle_that_fails_costs_its_own_line_alone(
    tiny_bundle, bundle_copy, told, tmp_path, monkeypatch
):
    def run(folder, protocol, expected_ms, logs, trust_code):
        if folder == bundle_copy:
            raise RunnerError("it ended with 1: ValueError: oh")
        return Summary("VALID", {50: 2.0, 90: 3.0, 99: 4.0})

    monkeypatch.setattr("edgecls.bench.loadgen.run", run)
    bundles = [tiny_bundle, bundle_copy, tiny_bundle]
    rows = [ROW, ROW.with_(model="other"), ROW.with_(model="third")]
    first, failed, last = loadgen.run(bundles, rows, Protocol(), tmp_path / "logs", True, told)
    assert failed.line == f"{rows[1].name}: LoadGen failed: it ended with 1: ValueError: oh"
    assert [each.failed for each in (first, failed, last)] == [False, True, False]
    assert "p50 2 ms, ours 2 ms" in first.line and last.line.startswith("third")
