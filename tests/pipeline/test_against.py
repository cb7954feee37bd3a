"""Two models on the same unseen images: the comparison is in the evaluation and on its page."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from edgecls.device.preprocess import Preprocess
from edgecls.errors import UsageError
from edgecls.evaluation import Evaluation
from edgecls.models import checkpoint
from edgecls.pipeline import against, subject
from edgecls.pipeline.evaluate import Wish, evaluate
from edgecls.pipeline.holdout import Holdout
from edgecls.recipe import parse
from edgecls.report import comparison_lines, write_report

SMALL = {"images": 10, "attacked": 4, "corruptions": ["jpeg"], "severities": [3], "eps": [8]}


@pytest.fixture
def other(tiny_checkpoint, tmp_path):
    """A checkpoint that is the tiny one, its last layer's answers turned by one class."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_checkpoint, tmp_path / "other")
    weights = load_file(folder / "model.safetensors")
    name = max(n for n in weights if n.endswith("weight") and weights[n].shape[0] == 10)
    for part in (name, name.replace("weight", "bias")):
        if part in weights:
            weights[part] = weights[part].roll(1, 0).contiguous()
    save_file(weights, folder / "model.safetensors")
    told = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
    from edgecls.device.meta import sha256

    told["weights_sha256"] = sha256(str(folder / "model.safetensors"))
    (folder / "checkpoint.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


@pytest.fixture
def run(digit_images, tmp_path, told):
    def go(model, other, out="result", **wish):
        data = {"path": str(digit_images), "calibration": 20, "validation": 0.2, "test": 0.2}
        recipe = parse({"threads": 1, "data": data, "robustness": SMALL})
        chosen = Wish(subject=model, against=other, **wish)
        return evaluate(chosen, recipe, tmp_path / out, "edgecls evaluate", told)

    return go


def test_two_checkpoints_are_compared(run, tiny_checkpoint, other, tmp_path):
    found = run(tiny_checkpoint, other)
    assert found.compared is not None
    (each,) = found.compared.comparisons
    assert each.source.name == str(other) and each.model.name == str(tiny_checkpoint)
    assert each.model.top1 == found.scored.metrics["top1"]
    # Every answer is turned: no image is answered alike.
    assert each.flipped == each.paired.num_images == found.scored.metrics["num_images"]
    assert each.paired.both == 0 and len(each.flips) == 12
    for side in (each.model, each.source):
        assert [attack.crafted_on for attack in side.hardness.attacks] == ["", ""]
    assert each.attacked is not None and each.corrupted is not None
    folder = tmp_path / "result"
    assert Evaluation.read(folder) == found
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Against another model" in page and page.count('role="img"') == 12
    (folder / "report.html").unlink()
    assert write_report(folder).read_text(encoding="utf-8") == page
    lines = comparison_lines(found.compared)
    assert lines[0].startswith(f"against {other}: ")


def test_a_bundle_gets_the_pictures_that_were_made_for_the_checkpoint(
    run, tiny_bundle, tiny_checkpoint
):
    found = run(tiny_bundle, tiny_checkpoint)
    (each,) = found.compared.comparisons
    assert each.flipped == 0 and each.paired.difference == 0
    assert {a.crafted_on for a in each.model.hardness.attacks} == {str(tiny_checkpoint)}
    assert {a.crafted_on for a in each.source.hardness.attacks} == {""}
    assert each.corrupted.value == pytest.approx(0, abs=0.1)
    assert found.compared.notes == ()


def test_two_bundles_are_not_attacked_and_it_says_so(run, package_bundle):
    found = run(package_bundle("onnxruntime", "int8"), package_bundle("onnxruntime", "fp32"))
    assert "no gradient" in found.compared.notes[0]
    (each,) = found.compared.comparisons
    assert each.model.hardness.attacks == () and each.corrupted is not None


def test_what_cannot_be_compared_is_refused(tiny_checkpoint, other, run):
    model = subject.read(tiny_checkpoint)
    with pytest.raises(UsageError, match="compared with itself"):
        against.read(tiny_checkpoint, model, False)
    with pytest.raises(UsageError, match="other classes"):
        against.read(other, replace(model, labels=("a", "b")), False)
    larger = Preprocess((64, 64), mode="L", mean=(0.5,), std=(0.25,))
    with pytest.raises(UsageError, match="takes its images otherwise"):
        against.read(other, replace(model, preprocess=larger), False)
    with pytest.raises(UsageError, match="no model is given"):
        run(None, other, folds=2)


@pytest.fixture
def two(tiny_checkpoint):
    """(model, other, images): the other has seen the first three of ten."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (10, 32, 32, 1), dtype=np.uint8)
    images = Holdout("test", pictures, np.zeros(10, np.int64), tuple("abcdefghij"))
    model = subject.read(tiny_checkpoint)
    return model, replace(model, seen=checkpoint.marks(pictures[:3])), images


def test_images_that_the_other_has_seen_are_left_out(two):
    model, other, images = two
    kept = against.without_seen(images, model, other, None)
    assert kept.files == tuple("defghij") and "3 of 10 images left out" in kept.notes[0]


def test_a_split_that_was_asked_for_stays_whole_with_a_warning(two):
    model, other, images = two
    kept = against.without_seen(images, model, other, "test")
    assert len(kept.files) == 10 and "on 3 of these 10 images" in kept.warnings[0]


def test_nothing_left_is_told(two):
    model, other, images = two
    with pytest.raises(UsageError, match="every image"):
        against.without_seen(images.keep(np.arange(10) < 3), model, other, None)


def test_a_model_of_unknown_training_is_a_warning(two):
    model, other, images = two
    blank = replace(other, seen=np.zeros(0, np.uint64))
    assert against.without_seen(images, model, blank, None) is images
    strange = replace(blank, provenance={})
    assert "not known" in against.without_seen(images, model, strange, None).warnings[0]
