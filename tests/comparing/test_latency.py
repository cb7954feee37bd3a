"""Launches are what is compared, and only where machine and protocol are the same."""

from __future__ import annotations

import numpy as np
import pytest

from edgecls.comparing import alarms, compare, notes
from edgecls.comparing.latency import welch
from edgecls.core import read_results, write_results
from edgecls.errors import EdgeclsError
from edgecls.rundir import add_arrays

PROTOCOL = {"mode": "short", "scenario": "single-stream", "version": 2, "launches": 5}
MACHINE = {"cpu": "Example CPU", "machine": "x86_64", "cores": 2, "runtime": "openvino 2026.2"}


def latency(gate):
    return gate.pairs[0].changes["latency"]


def put(run, **changes) -> None:
    """Change fields of every row."""
    rows = [row.with_(**changes) for row in read_results(run / "results.jsonl")]
    write_results(run / "results.jsonl", rows)


def test_welch_is_what_others_compute():
    """By scipy.stats.ttest_ind(new, old, equal_var=False), which takes seconds to import."""
    old = np.array([0.0, 0.01, -0.02, 0.03, 0.0])
    new = np.array([0.1, 0.16, 0.05, 0.12, 0.2, 0.02])
    found = welch(old, new)
    assert found.p_value == pytest.approx(0.011103122692904)
    assert (found.low, found.high) == pytest.approx((0.034060446481943, 0.174606220184723))


def test_a_coarse_clock_is_no_division_by_zero():
    five, six = np.log([5.0, 5.0]), np.log([6.0, 6.0])
    assert welch(five, five).p_value == 1 and welch(five, six).p_value == 0


def test_many_queries_of_three_launches_are_three_observations(write_run, planted_row):
    """Each query for itself would be certain of 3 %, which is how far launches are apart."""
    old = write_run("old", [planted_row(launches=3, noise=0.03)], 1)
    new = write_run("new", [planted_row(launches=3, noise=0.03, ms=1.08)], 2)
    gate = compare(old, new)
    assert latency(gate).p_value > 0.01 and not alarms(gate)
    assert notes(gate) == [
        "latency: 3 process launches in OLD and 3 in NEW: 5 of each see smaller differences",
        "latency: its noise hides a slow-down of 5 %: measure it again, longer",
    ]


def test_noise_that_would_hide_what_the_bound_forbids_is_told(write_run, planted_row):
    noisy = [planted_row(noise=0.2)]
    gate = compare(write_run("old", noisy), write_run("new", noisy, 1))
    assert any("its noise hides a slow-down of 5 %" in note for note in notes(gate))
    quiet = compare(write_run("a"), write_run("b", seed=1))
    assert not any("hides" in note for note in notes(quiet))


@pytest.mark.parametrize(("count", "told"), [(1, "one process launch"), (2, "2 process launches")])
def test_one_or_two_launches_cannot_be_tested(write_run, planted_row, count, told):
    """Two that happen to be alike would make noise a certainty."""
    gate = compare(write_run("old"), write_run("new", [planted_row(launches=count)], 2))
    assert notes(gate) == [f"latency: not tested: NEW has {told}, and a test needs at least 3"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"environment": {**MACHINE, "cpu": "Other"}},
            "another machine, or set otherwise: cpu Example",
        ),
        ({"environment": {**MACHINE, "governor": "powersave"}}, "governor none → powersave"),
        ({"threads": 4}, "measured in another way: threads 1 → 4"),
        ({"batch_size": 8}, "batch_size 1 → 8"),
        (
            {"protocol": {"scenario": "single-stream", "version": 3}},
            "another way: mode short → none, version 2 → 3",
        ),
        ({"protocol": {**PROTOCOL, "mode": "full"}}, "mode short → full"),
        ({"qps": 100.0}, "qps none → 100"),
    ],
)
def test_another_machine_or_protocol_is_told_and_not_tested(write_run, changes, told):
    old, new = write_run("old"), write_run("new", seed=1)
    put(new, latency_p50_ms=2.0, **changes)
    gate = compare(old, new)
    (note,) = notes(gate)
    assert note.startswith("latency: not tested: ") and told in note
    assert latency(gate).new == 2.0 and not alarms(gate)
    assert gate.pairs[0].changes["accuracy"].p_value is not None


def test_more_queries_and_launches_are_the_same_protocol(write_run):
    old, new = write_run("old"), write_run("new", seed=1)
    (row,) = read_results(new / "results.jsonl")
    put(new, protocol={**row.protocol, "launches": 50, "stopped_after_launches": 3})
    assert latency(compare(old, new)).p_value is not None


def test_a_row_that_stopped_early_is_of_the_mode_that_was_asked(write_run):
    whole, stopped = write_run("old"), write_run("new", seed=1)
    (row,) = read_results(stopped / "results.jsonl")
    put(whole, protocol={**row.protocol, "mode": "full"})
    early = {"asked_mode": "full", "stopped_after_launches": 3}
    put(stopped, protocol={**row.protocol, "mode": "quick", **early})
    assert latency(compare(whole, stopped)).p_value is not None
    put(whole, protocol={**row.protocol, "mode": "quick"})
    assert any("mode quick → full" in note for note in notes(compare(whole, stopped)))


def test_other_software_and_doubts_are_told_and_tested(write_run, planted_row):
    old, new = write_run("old"), write_run("new", [planted_row(ms=1.2)], 1)
    (row,) = read_results(new / "results.jsonl")
    put(new, environment={**row.environment, "runtime": "openvino 2027"}, flags=("co-load",))
    gate = compare(old, new)
    assert notes(gate) == [
        "latency: other software: runtime openvino 2026.2 → openvino 2027",
        "latency: doubtful in NEW: co-load",
    ]
    assert [alarm.kind for alarm in alarms(gate)] == ["latency"]


def test_another_gpu_is_another_machine_and_none_at_all_is_a_loss(write_run, planted_row):
    old, new = write_run("old"), write_run("new", [planted_row(ms=3)], 1)
    put(old, environment={**MACHINE, "provider": "cuda: Orin, sm_87"})
    put(new, environment={**MACHINE, "provider": "cuda: H200, sm_90"})
    told = notes(compare(old, new))
    assert "set otherwise: provider cuda: Orin, sm_87 → cuda: H200, sm_90" in told[0]
    put(new, environment={**MACHINE, "provider": "CPUExecutionProvider"})
    gate = compare(old, new)
    assert [alarm.kind for alarm in alarms(gate)] == ["latency"]
    assert "provider cuda: Orin, sm_87 → CPUExecutionProvider" in notes(gate)[0]


def test_a_note_of_some_rows_names_them(write_run, planted_row):
    rows = [planted_row(target=f"t{i}") for i in range(6)]
    flagged = [
        planted_row(target=f"t{i}", changes={"flags": ("drift",)} if i < 5 else {})
        for i in range(6)
    ]
    (note,) = notes(compare(write_run("old", rows), write_run("new", flagged, 1)))
    names = ", ".join(f"student · t{i} · fp32" for i in range(3))
    assert note == f"latency of {names} and 2 more: doubtful in NEW: drift"


@pytest.mark.parametrize(
    ("latency_ms", "launch", "told"),
    [
        (np.array([1.0, -1.0]), np.array([0, 1]), "not numbers above 0"),
        (np.array([1.0, np.inf]), np.array([0, 1]), "not numbers above 0"),
        (np.array([1.0]), np.array([0, 1]), "do not fit their launches"),
        (np.array([]), np.array([], np.int32), "do not fit their launches"),
        (np.array(["x"]), np.array([0]), "do not fit their launches"),
    ],
)
def test_latencies_that_cannot_be_right_are_an_error(write_run, latency_ms, launch, told):
    old, new = write_run("old"), write_run("new", seed=1)
    (row,) = read_results(new / "results.jsonl")
    digest = add_arrays(new, {"latency_ms": latency_ms, "launch": launch})
    put(new, files={**row.files, "latencies": digest})
    with pytest.raises(EdgeclsError, match=told):
        compare(old, new)


def test_a_p50_that_its_latencies_contradict_is_an_error(write_run):
    old, new = write_run("old"), write_run("new")
    put(new, latency_p50_ms=read_results(old / "results.jsonl")[0].latency_p50_ms / 2)
    with pytest.raises(EdgeclsError, match=r"its p50 is .* ms, and its latencies say"):
        compare(old, new)
