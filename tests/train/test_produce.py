"""What every training leaves: a temperature, its metrics, and the marks of what it has seen."""

from __future__ import annotations

import numpy as np
import pytest

from edgecls.core import Context
from edgecls.graph import CheckpointSource
from edgecls.methods import distill
from edgecls.models import checkpoint
from edgecls.train.calibration import fit_temperature
from edgecls.train.metrics import summarize


def test_the_temperature_is_fitted_on_validation_and_the_metrics_are_at_it(
    tiny_checkpoint, tiny_data, tmp_path
):
    found = checkpoint.load(tiny_checkpoint)
    images, classes = tiny_data["validation"]
    logits = CheckpointSource(tiny_checkpoint, tmp_path / "none").logits(images)
    assert found.temperature == pytest.approx(fit_temperature(logits, classes), rel=1e-3)
    assert found.temperature != 1.0
    expected = summarize(logits, classes, tiny_data.labels, found.temperature)
    for name in ("top1", "top5", "ece", "nll", "brier"):
        assert found.metrics["validation"][name] == pytest.approx(expected[name], abs=1e-3)


def test_it_has_seen_train_and_validation_and_not_test(tiny_checkpoint, tiny_data):
    seen = checkpoint.load(tiny_checkpoint).seen()
    assert (np.diff(seen.astype(object)) > 0).all()
    for split, expected in (("train", True), ("validation", True), ("test", False)):
        assert (np.isin(checkpoint.marks(tiny_data[split][0]), seen) == expected).all()


def test_it_has_seen_what_its_parents_have(tiny_checkpoint, tiny_data, tmp_path):
    """A student of other images still knows its teacher's through the teacher."""
    fewer = {
        name: (np.asarray(images)[:20], np.asarray(classes)[:20])
        for name, (images, classes) in tiny_data.splits.items()
    }
    data = type(tiny_data)(tiny_data.labels, tiny_data.preprocess, fewer, "other", tiny_data.golden)
    (tmp_path / "out").mkdir()
    method = distill.METHOD
    options = method.Options(teacher="t", arch="lenet5", epochs=1, batch_size=4)
    context = Context(data=data, seed=0, workdir=tmp_path, threads=1)
    method.apply({"teacher": tiny_checkpoint}, options, context, tmp_path / "out")
    teacher, student = checkpoint.load(tiny_checkpoint), checkpoint.load(tmp_path / "out")
    assert np.isin(teacher.seen(), student.seen()).all()
