"""From raw samples to a row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecls.bench.protocol import Protocol, Samples
from edgecls.bench.rows import with_latency
from edgecls.core import Measurement
from edgecls.device.stats import percentile

ROW = Measurement("student", "openvino", "int8", "ok", "ok", "skipped", top1=0.9)


def samples() -> Samples:
    return Samples(
        latency_ms=[float(n) for n in range(700, 0, -1)],
        load_ms=[10.0, 30.0],
        first_inference_ms=[4.0, 2.0],
        preprocess_ms=[0.3, 0.1, 0.2],
        end_to_end_ms=[1.3, 1.1, 1.2],
        rss_bytes=1 << 20,
        about={"runtime": "openvino 1", "provider": "CPU"},
    )


def test_a_measured_row_has_every_figure_of_its_samples() -> None:
    row = with_latency(ROW, samples(), Protocol(threads=2))
    ordered = [float(n) for n in range(1, 701)]
    assert row.measured == "ok"
    assert row.latency_p50_ms == percentile(ordered, 50) == 350
    assert (row.latency_p90_ms, row.latency_p99_ms) == (630, 693)
    assert row.latency_p90_ms < row.latency_p90_ms_bound < row.latency_p99_ms_bound < 700
    assert row.throughput_per_s == pytest.approx(1000 / 350.5)
    assert (row.load_ms, row.first_inference_ms) == (20, 3)
    assert (row.preprocess_p50_ms, row.end_to_end_p50_ms) == (0.2, 1.2)
    assert (row.num_queries, row.rss_bytes, row.threads, row.batch_size) == (700, 1 << 20, 2, 1)
    assert row.top1 == 0.9


def test_it_carries_its_environment_and_protocol() -> None:
    row = with_latency(ROW, samples(), Protocol(threads=2))
    assert row.protocol["threads"] == 2
    assert row.environment["runtime"] == "openvino 1"
    assert row.environment["cores"] >= 1
    assert Measurement.from_json(row.to_json()) == row


def test_a_fixed_batch_counts_all_its_images() -> None:
    one = with_latency(ROW, samples(), Protocol())
    four = with_latency(ROW, replace(samples(), about={"batch": 4}), Protocol())
    assert one.throughput_per_s is not None
    assert (one.batch_size, four.batch_size) == (1, 4)
    assert four.throughput_per_s == pytest.approx(4 * one.throughput_per_s)
    loose = replace(samples(), about={"batch": "dynamic"})
    assert with_latency(ROW, loose, Protocol()).batch_size == 1


def test_a_row_that_fell_out_says_why_and_has_no_latency() -> None:
    fell = samples()
    fell.error, fell.fix = "ended with signal SIGSEGV", "export it again"
    row = with_latency(ROW, fell, Protocol())
    assert (row.measured, row.reason, row.fix) == ("failed", fell.error, fell.fix)
    assert row.latency_p50_ms is row.num_queries is row.throughput_per_s is None
    assert row.top1 == 0.9


def test_a_row_that_was_skipped_is_no_failure() -> None:
    fell = Samples(error="no native runner", fix="cmake …", skipped=True)
    assert with_latency(ROW, fell, Protocol()).measured == "skipped"


def test_a_row_of_a_device_carries_that_devices_environment() -> None:
    there = samples()
    there.environment = {"cpu": "Cortex-A76", "cores": 4}
    there.conditions = [{"throttled": False}, {"throttled": True, "temperatures_c": {"cpu": 81.0}}]
    there.suspends = False
    there.preprocess_ms = there.end_to_end_ms = []
    row = with_latency(ROW, there, Protocol())
    assert (row.environment["cpu"], row.environment["cores"]) == ("Cortex-A76", 4)
    assert "python" not in row.environment
    assert (row.environment["throttled"], row.environment["max_temperature_c"]) == ("yes", 81.0)
    assert row.environment["suspended"].startswith("no")
    assert row.preprocess_p50_ms is row.end_to_end_p50_ms is None
