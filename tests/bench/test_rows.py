"""From raw samples to a row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecls.bench.protocol import Protocol, Samples
from edgecls.bench.rows import measured, with_latency
from edgecls.core import Measurement
from edgecls.device.stats import percentile

ROW = Measurement("student", "openvino", "int8", "ok", "ok", "skipped", top1=0.9)


def samples() -> Samples:
    return Samples(
        latency_ms=[float(n) for n in range(700, 0, -1)],
        load_ms=[10.0, 30.0],
        first_inference_ms=[4.0, 2.0],
        decode_ms=[0.5, 0.7, 0.6],
        preprocess_ms=[0.3, 0.1, 0.2],
        postprocess_ms=[0.01, 0.03, 0.02],
        end_to_end_ms=[1.3, 1.1, 1.2],
        launch=[number % 2 for number in range(700)],
        round=[number // 2 % 5 for number in range(700)],
        rss_bytes=1 << 20,
        memory_bytes=1 << 19,
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
    assert (row.decode_p50_ms, row.preprocess_p50_ms, row.postprocess_p50_ms) == (0.6, 0.2, 0.02)
    assert (row.end_to_end_p50_ms, row.memory_bytes) == (1.2, 1 << 19)
    assert row.latency_p50_low < row.latency_p50_ms < row.latency_p50_high
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
    there.decode_ms = there.preprocess_ms = there.end_to_end_ms = []
    row = with_latency(ROW, there, Protocol())
    assert (row.environment["cpu"], row.environment["cores"]) == ("Cortex-A76", 4)
    assert "python" not in row.environment
    assert (row.environment["throttled"], row.environment["max_temperature_c"]) == ("yes", 81.0)
    assert row.environment["suspended"].startswith("no")
    assert row.flags == ("throttled",)
    assert row.decode_p50_ms is row.preprocess_p50_ms is row.end_to_end_p50_ms is None


def test_an_older_harness_counts_decoding_as_preprocessing_which_is_not_said() -> None:
    old = replace(samples(), absent=["decode", "postprocess"], decode_ms=[], postprocess_ms=[])
    row = with_latency(ROW, old, Protocol())
    assert row.decode_p50_ms is row.preprocess_p50_ms is row.postprocess_p50_ms is None
    assert row.end_to_end_p50_ms == 1.2


def test_one_launch_has_no_interval() -> None:
    row = with_latency(ROW, replace(samples(), launch=[0] * 700), Protocol())
    assert row.latency_p50_ms and row.latency_p50_low is row.latency_p50_high is None


def test_energy_and_load_stand_beside_the_figures() -> None:
    told = replace(
        samples(),
        energy=[{"joules": 0.2, "source": "rapl", "queries": 300}] * 2,
        load=[{"others": 0.25, "steal": 0.0, "runnable": 1.0}, {"others": 0.35}],
    )
    row = with_latency(ROW, told, Protocol())
    assert row.energy_mj == pytest.approx(0.4 / 600 * 1e3)
    assert row.environment["energy_source"] == "rapl"
    assert row.environment["load"] == {"others": 0.3, "steal": 0.0, "runnable": 1.0}
    assert row.flags == ("co-load",)
    untold = with_latency(ROW, samples(), Protocol())
    assert untold.energy_mj is None and "load" not in untold.environment and untold.flags == ()


def test_rounds_of_a_slower_machine_are_told() -> None:
    pace = [1.0] * 9 + [2.0]
    places = [(0, number) for number in range(10)]
    told = replace(samples(), places=places, pace_ms=pace, num_repeated=3)
    row = with_latency(ROW, told, Protocol())
    assert row.environment["slowed_rounds"] == {"asked_again": 3, "left": 1}
    assert "slowed_rounds" not in with_latency(ROW, samples(), Protocol()).environment


def test_images_a_second_follow_from_the_scenario() -> None:
    def rate(scenario: str, **given: object) -> float | None:
        lots = replace(samples(), latency_ms=[8.0] * 700, seconds=[10.0] * 10, **given)
        qps = 70.0 if scenario == "server" else None
        return with_latency(ROW, lots, Protocol(scenario=scenario, qps=qps)).throughput_per_s

    assert rate("multi-stream", samples_per_query=8) == pytest.approx(1000)
    assert rate("offline", samples_per_query=256) == pytest.approx(32_000)
    # It waits for its queries: what counts is the time that passed.
    assert rate("server", samples_per_query=1) == pytest.approx(7)


def test_a_row_that_stopped_early_says_when() -> None:
    protocol = Protocol(early_stop=True)
    stopped = with_latency(ROW, replace(samples(), stopped_after=3), protocol)
    assert stopped.protocol["stopped_after_launches"] == 3
    assert "stopped_after_launches" not in with_latency(ROW, samples(), protocol).protocol


@pytest.mark.parametrize(("seconds", "mode"), [(3.0, "short"), (30.0, "quick")])
def test_the_mode_of_a_row_that_stopped_early_is_what_it_amounts_to(
    seconds: float, mode: str
) -> None:
    protocol = Protocol(early_stop=True, seconds=600.0)
    stopped = replace(samples(), stopped_after=3, seconds=[seconds / 12] * 12)
    told = with_latency(ROW, stopped, protocol).protocol
    assert (told["mode"], told["asked_mode"], told["seconds"]) == (mode, "full", 600.0)
    whole = with_latency(ROW, samples(), protocol).protocol
    assert whole["mode"] == "full" and "asked_mode" not in whole


def test_the_images_of_a_query_are_those_that_it_had() -> None:
    def told(**given: object) -> int:
        return with_latency(ROW, replace(samples(), **given), Protocol()).protocol[
            "samples_per_query"
        ]

    assert told(samples_per_query=4, about={"batch": 4}) == 4
    assert told(about={"batch": 4}) == 4  # of an older harness, which does not tell it
    assert told() == 1


def test_rows_that_were_measured_together_are_compared() -> None:
    slow = replace(samples(), latency_ms=[2 * each for each in samples().latency_ms])
    fell = Samples(error="it crashed")
    quick_row, slow_row, failed = measured([ROW] * 3, [samples(), slow, fell], Protocol())
    assert quick_row.latency_p_value is failed.latency_p_value is None
    assert slow_row.latency_p_value == 0.0 and failed.measured == "failed"
