"""Images are paired by what is in them; what cannot be paired is said, and never guessed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from edgecls.comparing import Bounds, alarms, compare, notes
from edgecls.core import read_results, write_results
from edgecls.device.stats import mcnemar
from edgecls.errors import EdgeclsError
from edgecls.rundir import add_arrays, read_arrays


def rewrite(run, change) -> None:
    """Let `change` edit the arrays of each row's answers, which then tell its accuracy alone."""
    rows = []
    for row in read_results(run / "results.jsonl"):
        arrays = read_arrays(run, row.files["predictions"])
        change(arrays)
        digest = add_arrays(run, arrays)
        rows.append(row.with_(top1=None, files={**row.files, "predictions": digest}))
    write_results(run / "results.jsonl", rows)


def accuracy(gate):
    return gate.pairs[0].changes["accuracy"]


def test_figures_are_of_the_paired_images_and_p_is_mcnemars(write_run, planted_row):
    old = write_run("old", [planted_row()], 1)
    new = write_run("new", [planted_row(accuracy=0.93)], 2)
    right = []
    for run in (old, new):
        (row,) = read_results(run / "results.jsonl")
        arrays = read_arrays(run, row.files["predictions"])
        right.append(arrays["test_logits"].argmax(1) == arrays["test_classes"])
    lost, gained = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    change = accuracy(compare(old, new))
    assert change.value == pytest.approx((gained - lost) / 1000) and lost > gained
    assert change.p_value == mcnemar(lost, gained)
    assert (change.old, change.new) == tuple(float(each.mean()) for each in right)


def test_images_in_another_order_are_the_same_images(write_run):
    order = np.random.default_rng(5).permutation(1_000).tolist()
    gate = compare(write_run("old"), write_run("new", images=order))
    assert notes(gate) == [] and accuracy(gate).p_value is not None
    same = write_run("same")
    rewrite(same, lambda arrays: [arrays.update({k: v[::-1]}) for k, v in arrays.items()])
    assert accuracy(compare(write_run("old"), same)).p_value == 1.0


def test_other_images_are_compared_on_what_both_have(write_run):
    gate = compare(write_run("old"), write_run("new", images=range(200, 1_500)))
    assert notes(gate) == [
        "accuracy: on the 800 test images that both have, of 1,000 in OLD and 1,300 in NEW"
    ]
    assert accuracy(gate).p_value is not None


def test_without_a_common_image_accuracy_is_not_tested(write_run):
    gate = compare(write_run("old"), write_run("new", images=range(2_000, 3_000)))
    assert notes(gate) == ["accuracy: not tested: no test image is in both"]
    change = accuracy(gate)
    assert change.p_value is None and change.value == pytest.approx(change.new - change.old)


def test_an_image_that_stands_there_twice_counts_once(write_run):
    twice = [*range(1_000), *range(500)]
    gate = compare(write_run("old", images=twice), write_run("new", images=twice))
    assert notes(gate) == [] and accuracy(gate).old * 1000 == pytest.approx(
        round(accuracy(gate).old * 1000)
    )


def test_images_that_changed_their_class_are_left_out(write_run):
    old, new = write_run("old"), write_run("new")

    def relabel(arrays):
        arrays["test_classes"][:7] = (arrays["test_classes"][:7] + 1) % 10

    rewrite(new, relabel)
    assert notes(compare(old, new)) == ["accuracy: left out: 7 images of another class in NEW"]


def test_older_runs_without_names_are_paired_by_order_where_classes_agree(write_run):
    old, new = write_run("old"), write_run("new", seed=1)
    named = accuracy(compare(old, new))
    rewrite(old, lambda arrays: arrays.pop("test_images"))
    gate = compare(old, new)
    assert notes(gate) == ["accuracy: images are paired by their order: OLD does not name them"]
    assert accuracy(gate).p_value == named.p_value
    other = compare(old, write_run("other", images=range(1, 1_001)))
    (note,) = notes(other)
    assert note.startswith("accuracy: not tested: OLD does not say which images it was asked")


def test_other_classes_are_not_compared(write_run):
    labels = (*"abcdefghi", "z")
    gate = compare(write_run("old"), write_run("new", labels=labels))
    assert notes(gate) == [
        "accuracy: not tested: the classes differ (in OLD alone: j; in NEW alone: z)"
    ]
    gate = compare(write_run("old"), write_run("turned", labels=tuple("bacdefghij")))
    assert "they stand in another order" in notes(gate)[0]
    assert gate.num_tested == 1  # the latency


def test_a_file_of_rows_has_no_answers_and_its_rows_stand_in_the_table(write_run, tmp_path):
    old, new = write_run("old"), write_run("new", seed=1)
    rows = read_results(new / "results.jsonl")
    (tmp_path / "bench").mkdir()
    file = tmp_path / "bench" / "rows.jsonl"
    write_results(file, [row.with_(files={}) for row in rows])
    gate = compare(old, file)
    assert notes(gate) == [
        "accuracy: not tested: NEW keeps no answers for each image",
        "latency: not tested: NEW keeps no single latencies",
    ]
    change = accuracy(gate)
    assert change.new == rows[0].top1 and change.value == pytest.approx(rows[0].top1 - change.old)
    assert gate.num_tested == 0 and not alarms(gate)


def test_a_file_of_rows_beside_its_side_files_is_tested(write_run):
    old, new = write_run("old"), write_run("new", seed=1)
    gate = compare(old / "results.jsonl", new / "results.jsonl")
    assert gate.num_tested == 2 and compare(old / "run.json", new).num_tested == 2


def test_side_files_that_were_not_kept_are_no_error(write_run):
    old, new = write_run("old"), write_run("new", seed=1)
    for file in (old / "files").iterdir():
        file.unlink()
    told = notes(compare(old, new, Bounds(0, 0)))
    assert len(told) == 2
    assert all(re.search(r"OLD keeps no .*: files/\w{8}….npz is missing", note) for note in told)


def without_logits(arrays) -> None:
    """As a device answers, which tells its classes alone."""
    arrays["test_predicted"] = arrays.pop("test_logits").argmax(1)
    arrays["num_classes"] = np.array(10)


def test_answers_without_logits_are_compared_alike(write_run, planted_row):
    old, new = write_run("old"), write_run("new", [planted_row(accuracy=0.9)])
    expected = accuracy(compare(old, new))
    rewrite(new, without_logits)
    assert accuracy(compare(old, new)) == expected and expected.p_value < 0.01


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("test_predicted", np.zeros(3, np.int64), "do not fit its images"),
        ("test_predicted", np.zeros(1_000), "are no numbers of classes"),
        ("num_classes", np.zeros(2, np.int64), "are no numbers of classes"),
    ],
)
def test_answers_without_logits_that_cannot_be_right_are_an_error(write_run, name, value, told):
    new = write_run("new")
    rewrite(new, lambda arrays: [without_logits(arrays), arrays.update({name: value})])
    with pytest.raises(EdgeclsError, match=told):
        compare(write_run("old"), new)


def test_logits_that_are_not_finite_are_an_error(write_run):
    old, new = write_run("old"), write_run("new")

    def break_one(arrays):
        arrays["test_logits"][3, 2] = np.nan

    rewrite(new, break_one)
    with pytest.raises(EdgeclsError, match=r"openvino · fp32: its logits are not finite"):
        compare(old, new)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("test_classes", np.zeros(3, np.int64), "do not fit its images"),
        ("test_classes", np.zeros(1_000), "do not fit its images"),
        ("test_logits", np.zeros((1_000, 0), np.float32), "do not fit its images"),
        ("test_logits", np.zeros((1_000, 10), np.int64), "not finite numbers"),
        ("test_images", np.zeros((1_000, 16), np.uint8), "does not hold a sha256"),
    ],
)
def test_answers_that_cannot_be_right_are_an_error(write_run, name, value, told):
    new = write_run("new")
    rewrite(new, lambda arrays: arrays.update({name: value}))
    with pytest.raises(EdgeclsError, match=told):
        compare(write_run("old"), new)


def test_a_figure_that_its_answers_contradict_is_an_error(write_run, planted_row):
    new = write_run("new", [planted_row(changes={"top1": 0.5})])
    with pytest.raises(EdgeclsError, match=r"accuracy is 50\.00%, and its answers are right on 9"):
        compare(write_run("old"), new)


def test_a_side_file_that_lacks_an_array_is_an_error(write_run):
    new = write_run("new")
    rewrite(new, lambda arrays: arrays.pop("test_logits"))
    with pytest.raises(EdgeclsError, match="lacks test_logits"):
        compare(write_run("old"), new)
