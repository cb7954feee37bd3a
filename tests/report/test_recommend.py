"""The rule, and the words for every row that lost."""

import pytest

from edgecls.report import explain, recommend
from edgecls.rundir import Budget


@pytest.fixture
def torch_row(make_row):
    """The reference: the teacher in PyTorch."""
    return make_row(
        model="teacher", target="torch", val_top1=0.98, latency_p50_ms=10.0, size_bytes=900_000
    )


def test_the_fastest_row_that_keeps_the_budget_wins(torch_row, make_row, make_info):
    slow = make_row(target="onnxruntime", latency_p50_ms=2.0)
    fast = make_row(target="openvino", latency_p50_ms=1.0)
    found = recommend([torch_row, slow, fast], make_info(budget=Budget(0.02)))
    assert found.row is fast
    assert found.headline == "Ship student · openvino · fp32."
    assert "10.0× as fast as teacher in PyTorch" in found.sentence or "10×" in found.sentence
    assert found.verdicts[1].kind == "slower"
    assert "2.0× slower" in found.verdicts[1].text


def test_test_accuracy_has_no_part_in_the_choice(torch_row, make_row, make_info):
    rows = [
        torch_row.with_(top1=0.5),
        make_row(target="a", latency_p50_ms=1.0, val_top1=0.97, top1=0.10),
        make_row(target="b", latency_p50_ms=2.0, val_top1=0.98, top1=1.00),
        make_row(target="c", latency_p50_ms=0.5, val_top1=0.50, top1=1.00),
    ]
    info = make_info(budget=Budget(0.01))
    found = recommend(rows, info)
    assert found.index == 1
    for value in (None, 0.0, 0.3, 1.0):
        other = recommend([row.with_(top1=value) for row in rows], info)
        assert other.index == found.index
        assert [v.kind for v in other.verdicts] == [v.kind for v in found.verdicts]


def test_a_host_reference_is_never_recommended(torch_row, make_row, make_info):
    fast = torch_row.with_(latency_p50_ms=0.01)
    slow = make_row(val_top1=0.98, latency_p50_ms=5.0)
    found = recommend([fast, slow], make_info())
    assert found.row is slow
    assert found.verdicts[0].kind == "reference"
    assert recommend([fast, slow], make_info(), host_only=()).row is fast


def test_accuracy_is_relative_to_the_reference_in_pytorch_else_in_fp32(
    torch_row, make_row, make_info
):
    fp32 = make_row(model="teacher", target="openvino", val_top1=0.99, latency_p50_ms=3.0)
    student = make_row(val_top1=0.975)
    assert recommend([torch_row, fp32, student], make_info()).row is student
    assert recommend([fp32, student], make_info()).row is fp32
    skipped = torch_row.with_(measured="skipped")
    assert recommend([skipped, fp32, student], make_info()).row is fp32


def test_exactly_the_allowed_drop_is_allowed(torch_row, make_row, make_info):
    row = make_row(val_top1=0.98 - 0.01)
    assert recommend([torch_row, row], make_info(budget=Budget(0.01))).row is row


def test_without_the_reference_accuracy_nothing_is_judged(make_row, make_info):
    found = recommend([make_row()], make_info())
    assert found.row is None
    assert "no accuracy on validation" in found.sentence


def test_rows_within_the_noise_are_decided_by_size(torch_row, make_row, make_info):
    fastest = make_row(target="a", latency_p50_ms=1.000, size_bytes=200_000, val_top1=0.98)
    smaller = make_row(target="b", latency_p50_ms=1.029, size_bytes=100_000, val_top1=0.98)
    beyond = make_row(target="c", latency_p50_ms=1.031, size_bytes=1_000, val_top1=0.98)
    found = recommend([torch_row, fastest, smaller, beyond], make_info())
    assert found.row is smaller
    assert "smallest of the fastest" in found.reason
    assert found.verdicts[1].kind == "larger"
    assert "2.0× as large" in found.verdicts[1].text
    assert found.verdicts[3].kind == "larger"
    assert "no smaller" not in found.verdicts[1].text


def test_each_broken_limit_is_named_with_its_excess(torch_row, make_row, make_info):
    info = make_info(budget=Budget(0.01, max_latency_ms=2.0, max_size_bytes=150_000))
    good = make_row(target="good", val_top1=0.98)
    bad = make_row(
        target="bad", val_top1=0.95, latency_p50_ms=0.5, latency_p90_ms=2.5, size_bytes=300_000
    )
    text = recommend([torch_row, good, bad], info).verdicts[2].text
    assert text.startswith("2.0× as fast, but too inaccurate on validation by 2.00 points")
    assert "p90 2.50 ms, 2 ms allowed" in text
    assert "too large: 300 kB, 150 kB allowed" in text


def test_the_latency_limit_is_for_p90(torch_row, make_row, make_info):
    row = make_row(val_top1=0.98, latency_p50_ms=0.9, latency_p90_ms=1.2)
    assert recommend([torch_row, row], make_info(budget=Budget(0.01, 1.0))).row is None
    assert recommend([torch_row, row], make_info(budget=Budget(0.01, 1.2))).row is row


@pytest.mark.parametrize("missing", ["val_top1", "latency_p50_ms", "latency_p90_ms", "size_bytes"])
def test_a_row_without_a_figure_that_the_budget_needs_is_not_recommended(
    missing, torch_row, make_row, make_info
):
    row = make_row(val_top1=0.98).with_(**{missing: None})
    found = recommend([torch_row, row], make_info(budget=Budget(0.01, 2.0, 200_000)))
    assert found.row is None
    assert found.verdicts[1].text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"converted": "failed", "measured": "skipped"}, "Failed to convert: no GPU."),
        ({"converted": "skipped", "measured": "skipped"}, "Not converted: no GPU."),
        ({"compiled": "skipped", "measured": "skipped"}, "Not measured: no GPU."),
        ({"measured": "failed"}, "Failed to measure: no GPU."),
    ],
)
def test_a_row_without_figures_says_what_stopped_it(changes, words, torch_row, make_row, make_info):
    row = make_row(reason="no GPU", **changes)
    found = recommend([torch_row, row], make_info())
    assert found.verdicts[1].kind == "unmeasured"
    assert found.verdicts[1].text == words


def test_where_nothing_qualifies_the_nearest_and_its_budget_are_named(
    torch_row, make_row, make_info
):
    info = make_info(budget=Budget(0.01, max_latency_ms=1.0))
    near = make_row(target="near", val_top1=0.968, latency_p90_ms=0.8)
    far = make_row(target="far", val_top1=0.98, latency_p90_ms=9.0)
    found = recommend([torch_row, far, near], info)
    assert found.row is None
    assert found.nearest == 2
    assert "No row keeps the budget." in found.sentence
    assert "max_drop = 0.012 (now 0.01)" in found.sentence
    relaxed = make_info(budget=Budget(0.012, max_latency_ms=1.0))
    assert recommend([torch_row, far, near], relaxed).row is near


def test_the_relaxed_latency_and_size_admit_the_nearest_row(torch_row, make_row, make_info):
    row = make_row(val_top1=0.98, latency_p90_ms=1.23456, size_bytes=123_456)
    found = recommend([torch_row, row], make_info(budget=Budget(0.01, 1.0, 100_000)))
    assert "max_latency_ms = 1.24" in found.reason
    assert "max_size_bytes = 123456" in found.reason
    assert recommend([torch_row, row], make_info(budget=Budget(0.01, 1.24, 123_456))).row is row


def test_without_any_row_there_is_still_a_sentence(make_info):
    found = recommend([], make_info())
    assert found.row is None
    assert found.sentence.startswith("Nothing can be recommended yet.")


def test_marked_sets_the_flag_on_one_row_alone(torch_row, make_row, make_info):
    rows = [torch_row.with_(recommended=True), make_row(val_top1=0.98)]
    assert [row.recommended for row in recommend(rows, make_info()).marked()] == [False, True]


def test_explain_trusts_the_flag_and_says_so_where_the_rule_differs(torch_row, make_row, make_info):
    fast = make_row(target="a", val_top1=0.98)
    slow = make_row(target="b", val_top1=0.98, latency_p50_ms=3.0, recommended=True)
    found = explain([torch_row, fast, slow], make_info())
    assert found.row is slow
    assert "by the budget alone it would be student · a · fp32" in found.reason
    assert explain([torch_row, fast], make_info()).row is fast


def test_a_row_that_is_quicker_than_the_marked_one_is_not_called_as_fast(
    torch_row, make_row, make_info
):
    fast = make_row(target="a", val_top1=0.98)
    marked = make_row(target="b", val_top1=0.98, latency_p50_ms=2.0, recommended=True)
    verdict = explain([torch_row, fast, marked], make_info()).verdicts[1]
    assert verdict.text == "Keeps the budget, and is 2.0× as fast."


def test_the_sentence_names_both_pytorch_rows_the_interval_and_the_size(make_run):
    made = make_run()
    sentence = recommend(made.rows, made.info).sentence
    for part in (
        "Ship student · openvino · int8.",
        "97.22 % of the test images right (95 % interval 95.0–98.5 %)",
        "no difference from teacher was seen",
        "30× as fast as teacher in PyTorch (2.91 ms)",
        "14× as fast as student in PyTorch (1.37 ms)",
        "117 kB: 9.4× smaller than the fp32 checkpoint of teacher (1.10 MB)",
        "at most 1 point below the validation accuracy of teacher (98.61 %)",
    ):
        assert part in sentence


def test_speed_is_compared_on_the_same_device_alone(torch_row, make_row, make_info):
    there = make_row(val_top1=0.98, device="board")
    found = recommend([torch_row, there], make_info())
    assert found.row is there
    assert "PyTorch" not in found.evidence
    assert "board" in found.headline
