"""Metrics against a confusion matrix that was counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecls.device.stats import wilson
from edgecls.train.calibration import calibration
from edgecls.train.metrics import confusion, summarize, top_k

# true class, predicted class
PAIRS = [(0, 0), (0, 0), (0, 1), (1, 1), (1, 1), (1, 1), (2, 0), (2, 1)]
CLASSES = np.array([true for true, _ in PAIRS])
PREDICTED = np.array([predicted for _, predicted in PAIRS])
LOGITS = np.eye(4, dtype=np.float32)[PREDICTED]
LABELS = ("a", "b", "c", "never")


def test_the_confusion_matrix_has_true_classes_as_rows():
    assert confusion(PREDICTED, CLASSES, 4).tolist() == [
        [2, 1, 0, 0],
        [0, 3, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 0, 0],
    ]


def test_every_figure_is_as_counted():
    found = summarize(LOGITS, CLASSES, LABELS)
    assert found["top1"] == 5 / 8 and found["num_images"] == 8
    assert (found["top1_low"], found["top1_high"]) == wilson(5, 8)
    assert found["per_class"] == {
        "a": {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3},
        "b": {"precision": 3 / 5, "recall": 1.0, "f1": 6 / 8, "support": 3},
        "c": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2},
        "never": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
    }
    assert found["macro_precision"] == pytest.approx((2 / 3 + 3 / 5) / 4)
    assert found["macro_recall"] == pytest.approx((2 / 3 + 1) / 4)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 6 / 8) / 4)


def test_it_agrees_with_scikit_learn():
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    rng = np.random.default_rng(0)
    classes, logits = rng.integers(0, 5, 200), rng.normal(size=(200, 5)).astype(np.float32)
    predicted = logits.argmax(1)
    assert np.array_equal(confusion(predicted, classes, 5), confusion_matrix(classes, predicted))
    found = summarize(logits, classes, "abcde")
    precision, recall, f1, _ = precision_recall_fscore_support(classes, predicted, average="macro")
    assert found["macro_precision"] == pytest.approx(precision)
    assert found["macro_recall"] == pytest.approx(recall)
    assert found["macro_f1"] == pytest.approx(f1)


def test_it_is_plain_json():
    assert json.loads(json.dumps(summarize(LOGITS, CLASSES, LABELS)))["num_images"] == 8


def test_top_5_agrees_with_scikit_learn_and_is_left_out_where_it_says_nothing():
    from sklearn.metrics import top_k_accuracy_score

    rng = np.random.default_rng(0)
    classes, logits = rng.integers(0, 9, 300), rng.normal(size=(300, 9)).astype(np.float32)
    found = summarize(logits, classes, "abcdefghi")
    assert found["top5"] == top_k_accuracy_score(classes, logits, k=5)
    assert top_k(logits, classes, 1) == found["top1"]
    assert "top5" in summarize(logits[:, :6], classes % 6, "abcdef")
    assert "top5" not in summarize(logits[:, :5], classes % 5, "abcde")


def test_the_calibration_is_that_of_the_temperature():
    for temperature in (1.0, 2.0):
        found, sure = (
            summarize(LOGITS, CLASSES, LABELS, temperature),
            calibration(LOGITS, CLASSES, temperature),
        )
        for name in ("ece", "mce", "brier", "nll"):
            assert found[name] == getattr(sure, name)
    assert summarize(LOGITS, CLASSES, LABELS)["nll"] != found["nll"]


def test_no_images_have_figures_all_the_same():
    found = summarize(np.zeros((0, 6), np.float32), np.zeros(0, np.int64), "abcdef")
    assert (found["top1"], found["top5"], found["num_images"]) == (0.0, 0.0, 0)
