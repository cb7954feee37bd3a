"""The gate finds what was planted, and nothing where nothing was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecls.comparing import Bounds, alarms, compare, notes, words

ROWS = ("onnxruntime fp32", "onnxruntime int8", "openvino fp32", "openvino int8")


@pytest.fixture
def planted(planted_row):
    """Four rows, in which a test plants what it looks for."""
    return [planted_row(*name.split(), ms=0.4 + 0.2 * i) for i, name in enumerate(ROWS)]


def told(gate) -> list[tuple[str, str]]:
    return [(alarm.sentence.split(":")[0], alarm.kind) for alarm in alarms(gate)]


def test_a_drop_of_two_points_on_ten_thousand_predictions_is_found(write_run, planted):
    worse = [replace(row, accuracy=row.accuracy - 0.02 * (i == 1)) for i, row in enumerate(planted)]
    old, new = write_run("old", planted, 1, 10_000), write_run("new", worse, 2, 10_000)
    gate = compare(old, new)
    assert told(gate) == [("student · onnxruntime · int8", "accuracy")]
    change = gate.pairs[1].changes["accuracy"]
    assert change.value == pytest.approx(-0.02, abs=0.005) and change.p_value < 1e-6
    assert change.low < -0.02 < change.high < 0


def test_a_slow_down_of_ten_percent_over_five_launches_is_found(write_run, planted):
    slower = [replace(row, ms=row.ms * (1.1 if i == 2 else 1)) for i, row in enumerate(planted)]
    gate = compare(write_run("old", planted, 1), write_run("new", slower, 2))
    assert told(gate) == [("student · openvino · fp32", "latency")]
    change = gate.pairs[2].changes["latency"]
    assert change.value == pytest.approx(0.1, abs=0.03) and change.low < 0.1 < change.high
    assert change.old == pytest.approx(0.8, rel=0.05)


def test_it_is_silent_on_twenty_pairs_of_identical_runs_whatever_the_bounds(write_run, planted):
    for seed in range(20):
        old = write_run(f"old{seed}", planted, 2 * seed, 1_000)
        new = write_run(f"new{seed}", planted, 2 * seed + 1, 1_000)
        gate = compare(old, new)
        for bounds in (Bounds(), Bounds(0, 0)):
            assert alarms(replace(gate, bounds=bounds)) == [] and gate.num_tested == 8, seed


def test_what_is_beyond_a_bound_by_chance_is_no_alarm(write_run, planted_row):
    """One point of 300 images, and 6 % where launches differ by 5 %."""
    old = write_run("old", [planted_row(noise=0.05)], 1, 300)
    new = write_run("new", [planted_row(noise=0.05, ms=1.06, accuracy=0.93)], 2, 300)
    gate = compare(old, new)
    (pair,) = gate.pairs
    assert pair.changes["accuracy"].is_beyond(0.005) and not alarms(gate)
    assert pair.changes["accuracy"].p_value > 0.01 and pair.changes["latency"].p_value > 0.01


def test_a_certain_loss_within_the_bounds_is_no_alarm(write_run, planted_row):
    old = write_run("old", [planted_row()], 1, 10_000)
    new = write_run("new", [planted_row(ms=1.1, accuracy=0.93)], 2, 10_000)
    assert told(compare(old, new, Bounds(0.03, 0.15))) == []
    changes = compare(old, new).pairs[0].changes
    assert all(change.p_value < 0.01 for change in changes.values())
    assert [kind for _, kind in told(compare(old, new, Bounds(0.03, 0.05)))] == ["latency"]
    assert [kind for _, kind in told(compare(old, new, Bounds(0.005, 0.15)))] == ["accuracy"]


def test_what_is_better_is_no_alarm(write_run, planted_row):
    old = write_run("old", [planted_row(ms=1.5, accuracy=0.9)], 1)
    gate = compare(old, write_run("new", [planted_row()], 2), Bounds(0, 0))
    assert alarms(gate) == []
    assert [words.verdict(gate, c) for c in gate.pairs[0].changes.values()] == [
        "better",
        "better",
    ]


def test_p_values_are_corrected_for_the_number_of_rows_of_their_kind(write_run, planted):
    slower = [replace(row, ms=1.02 * row.ms) for row in planted]
    alone = compare(write_run("a", planted[:1], 1), write_run("b", slower[:1], 2)).pairs[0]
    among = compare(write_run("c", planted, 1), write_run("d", slower, 2)).pairs
    ps = [pair.changes["latency"].p_value for pair in among]
    single = alone.changes["latency"].p_value
    rank = sorted(ps).index(ps[0])
    assert single < ps[0] and ps[0] >= (4 - rank) * single * (1 - 1e-9)


def test_a_row_that_vanished_or_failed_is_an_alarm(write_run, planted):
    failed = {"measured": "failed", "reason": "infer.py ended with signal SIGSEGV"}
    left = [planted[0], replace(planted[1], changes=failed), planted[2]]
    gate = compare(write_run("old", planted, 1), write_run("new", left, 2))
    assert told(gate) == [(f"student · {n.replace(' ', ' · ')}", "measured") for n in ROWS[1::2]]
    first, second = (alarm.sentence for alarm in alarms(gate))
    assert "no more in NEW. Failed to measure: infer.py ended with signal SIGSEGV" in first
    assert second.endswith("measured in OLD, and NEW has no such row")


def test_a_row_that_was_never_measured_or_is_new_is_none(write_run, planted):
    skipped = {"measured": "skipped", "reason": "this machine has no such chip"}
    old = [planted[0], replace(planted[1], changes=skipped), replace(planted[2], changes=skipped)]
    new = [planted[0], replace(planted[1], changes=skipped), planted[2], planted[3]]
    gate = compare(write_run("old", old, 1), write_run("new", new, 2))
    assert alarms(gate) == []
    remarks = [block.remark for block in words.blocks(gate)]
    assert remarks == [
        "",
        "measured in neither. Not measured: this machine has no such chip",
        "measured in NEW alone",
        "in NEW alone",
    ]


def test_rows_of_other_devices_and_scenarios_are_not_each_others(write_run, planted_row):
    def rows(slow: float):
        server = {"scenario": "server", "qps": 100.0}
        return [
            planted_row(),
            planted_row(ms=slow, changes={"device": "ssh://pi"}),
            planted_row(ms=3, changes=server),
            planted_row(ms=9, changes=server),
        ]

    gate = compare(write_run("old", rows(5), 1), write_run("new", rows(6), 2))
    assert told(gate) == [("student · openvino · fp32 · ssh", "latency")]
    names = [pair.name.removeprefix("student · openvino · fp32") for pair in gate.pairs]
    assert names == ["", " · ssh://pi", " · server", " · server · no. 2"]


def test_the_same_folder_twice_differs_in_nothing(write_run, planted):
    run = write_run("run", planted)
    gate = compare(run, run, Bounds(0, 0))
    assert alarms(gate) == [] and notes(gate) == []
    assert {c.p_value for pair in gate.pairs for c in pair.changes.values()} == {1.0}
