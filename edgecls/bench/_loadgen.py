"""The process of `edgecls.bench.loadgen`: a bundle's own runner, asked by MLPerf's load generator.

    python -I -B _loadgen.py SETTINGS

SETTINGS is one JSON object: ``bundle``, ``threads``, ``scenario``, ``queries``, ``seconds``,
``samples``, ``qps``, ``seed``, ``expected_ms`` and ``logs``, an existing folder. It needs nothing
but the bundle and ``mlperf_loadgen``: as isolated as `edgecls.remote.local` runs a bundle.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import mlperf_loadgen as lg
import numpy as np

SCENARIOS = {
    "single-stream": lg.TestScenario.SingleStream,
    "multi-stream": lg.TestScenario.MultiStream,
    "offline": lg.TestScenario.Offline,
    "server": lg.TestScenario.Server,
}
WARMUP = 64


class Subject:
    """What LoadGen calls the system under test. A sample is a golden tensor, by its number.

    size: images of a sample: what a model of a fixed batch takes at once.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        folder = asked["bundle"]
        infer = _imported(Path(folder) / "infer.py")
        from harness import batches, golden, meta  # type: ignore[import-not-found] # the bundle's

        described = meta.read(folder)
        self.runner = infer.Runner(folder, described, asked["threads"])
        self.tensors = golden.inputs(folder, described)
        self.is_lot = asked["scenario"] in ("multi-stream", "offline")
        self.lot = asked["samples"]
        self.size = 1 if self.is_lot else batches.at_once(self.runner)
        count = len(self.tensors)
        self.batches = [
            np.ascontiguousarray(self.tensors[np.arange(i, i + self.size) % count])
            for i in range(count)
        ]

    def warm_up(self) -> None:
        if self.is_lot:
            self.runner.run(self.tensors[np.arange(self.lot) % len(self.tensors)])
            return
        for number in range(WARMUP):
            self.runner.run(self.batches[number % len(self.batches)])

    def answer(self, samples: list[Any]) -> None:
        """Run and complete the samples of one query; what fails ends the process.

        LoadGen would wait forever for a query that is never completed.
        """
        try:
            self._answer(samples)
        except BaseException:  # noqa: BLE001 - a runtime raises what it likes
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    def _answer(self, samples: list[Any]) -> None:
        if not self.is_lot:
            for sample in samples:
                self.runner.run(self.batches[sample.index])
                lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])
            return
        for begin in range(0, len(samples), self.lot):
            lot = samples[begin : begin + self.lot]
            self.runner.run(self.tensors[[sample.index for sample in lot]])
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0) for sample in lot])


def _imported(path: Path) -> Any:
    """The bundle's runner; it finds its harness itself."""
    spec = importlib.util.spec_from_file_location("infer", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings(asked: dict[str, Any]) -> Any:
    """LoadGen's settings of a test of performance."""
    found = lg.TestSettings()
    found.scenario = SCENARIOS[asked["scenario"]]
    found.mode = lg.TestMode.PerformanceOnly
    found.min_duration_ms = round(1e3 * asked["seconds"])
    found.min_query_count = asked["queries"]
    found.qsl_rng_seed = found.sample_index_rng_seed = found.schedule_rng_seed = asked["seed"]
    expected_ns = max(1, round(1e6 * asked["expected_ms"]))
    found.single_stream_expected_latency_ns = expected_ns
    found.multi_stream_expected_latency_ns = expected_ns
    found.multi_stream_samples_per_query = asked["samples"]
    if asked["scenario"] == "offline":
        found.offline_expected_qps = 1e3 * asked["samples"] / asked["expected_ms"]
    if asked["qps"] is not None:
        found.server_target_qps = asked["qps"]
        # Whether a bound is kept is the reader's to say; LoadGen wants one.
        found.server_target_latency_ns = 10**10
    return found


def main() -> None:
    asked = json.loads(sys.argv[1])
    test = settings(asked)
    subject = Subject(asked)
    subject.warm_up()
    # A server's queries come whether or not the last one has been answered.
    waiting: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()

    def work() -> None:
        while (samples := waiting.get()) is not None:
            subject.answer(samples)

    # A daemon: what fails below must end the process, with its traceback.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    issue = waiting.put if asked["scenario"] == "server" else subject.answer
    sut = lg.ConstructSUT(issue, lambda: None)
    count = len(subject.tensors)
    qsl = lg.ConstructQSL(count, count, lambda samples: None, lambda samples: None)
    logs = lg.LogSettings()
    logs.log_output.outdir = asked["logs"]
    logs.log_output.copy_summary_to_stdout = False
    logs.enable_trace = False
    lg.StartTestWithLogSettings(sut, qsl, test, logs)
    waiting.put(None)
    worker.join()
    lg.DestroyQSL(qsl)
    lg.DestroySUT(sut)


if __name__ == "__main__":
    main()
