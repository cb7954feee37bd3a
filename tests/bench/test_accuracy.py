"""Accuracy of the very artifact, its interval, and its difference from the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecls.bench.accuracy import logits_of, with_accuracy, with_significance
from edgecls.core import Dataset, Measurement
from edgecls.device import stats
from edgecls.errors import EdgeclsError, RunnerError

ROW = Measurement("student", "openvino", "int8", "ok", "ok", "ok")
CLASSES = {"validation": np.array([0, 1, 1, 0]), "test": np.array([0, 1, 1, 0, 1])}


def answers(validation: list[int], test: list[int]) -> dict[str, np.ndarray]:
    """Logits whose highest is that class."""
    eye = np.eye(2, dtype=np.float32)
    return {"validation": eye[validation], "test": eye[test]}


RIGHT = answers([0, 1, 1, 0], [0, 1, 1, 0, 1])


def test_a_bundle_answers_every_split_as_the_graph_does(
    tiny_bundle: Path, tiny_data: Dataset, tmp_path: Path
) -> None:
    from edgecls.graph import run

    images = {split: tiny_data[split][0] for split in ("validation", "test")}
    found = logits_of(tiny_bundle, images, tmp_path, threads=1)
    for split, logits in found.items():
        assert logits.shape == (len(images[split]), 10)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(
            logits, run(tiny_bundle / "model.onnx", images[split]), rtol=1e-3, atol=1e-5
        )


def test_a_bundle_that_fails_its_own_verification_is_not_scored(
    fake_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = fake_bundle(run="images = 255 - images")
    with pytest.raises(RunnerError, match="tiny onnxruntime fp32 fails its own verification"):
        logits_of(bundle, {}, tmp_path, trust_code=True)


def test_a_row_has_its_accuracy_with_intervals_on_both_splits() -> None:
    found = answers([0, 1, 1, 1], [0, 1, 0, 0, 1])
    row = with_accuracy(ROW, found, RIGHT, CLASSES)
    assert (row.val_top1, row.top1, row.num_images) == (0.75, 0.8, 5)
    assert (row.val_top1_low, row.val_top1_high) == stats.wilson(3, 4)
    assert (row.top1_low, row.top1_high) == stats.wilson(4, 5)
    assert row.top1_agreement == 0.8
    assert row.max_rel_logit_diff == pytest.approx(1 / np.std(RIGHT["test"]))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_an_error(wrong: float) -> None:
    found = {**RIGHT, "test": RIGHT["test"] + wrong}
    with pytest.raises(EdgeclsError, match="logits are not finite"):
        with_accuracy(ROW, found, RIGHT, CLASSES)


def test_p_values_are_paired_and_corrected_for_the_rows_that_were_scored() -> None:
    truth = np.zeros(40, np.int64)
    classes = {"test": truth}

    def right(count: int) -> dict[str, np.ndarray]:
        return {"test": np.eye(2, dtype=np.float32)[(np.arange(40) >= count).astype(int)]}

    rows = [ROW.with_(model=name) for name in ("same", "unscored", "worse", "much worse")]
    logits = [right(40), {}, right(37), right(20)]
    found = with_significance(rows, logits, right(40), classes)
    assert [row.model for row in found] == [row.model for row in rows]
    raw = [1.0, stats.mcnemar(0, 3), stats.mcnemar(0, 20)]
    expected = stats.holm(raw)
    assert [row.p_value for row in found] == [expected[0], None, expected[1], expected[2]]
    assert found[3].p_value < 0.001 < 0.5 <= found[2].p_value
