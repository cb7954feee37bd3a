"""An evaluation: whole, from its folder alone, cached stage by stage, and never over other work."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from edgecls.device.measure import probabilities
from edgecls.errors import EdgeclsError, TrustError, UsageError
from edgecls.evaluation import FORMAT, Evaluation
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint
from edgecls.pipeline.evaluate import Wish, evaluate
from edgecls.pipeline.events import Silent
from edgecls.recipe import parse
from edgecls.report import write_report
from edgecls.rundir import read_file
from edgecls.train.calibration import calibration, fit_temperature
from edgecls.train.metrics import summarize

NET = {"method": "train", "arch": "lenet5", "epochs": 1, "batch_size": 16}


@pytest.fixture
def recipe(digit_images):
    def make(**changes):
        data = {"path": str(digit_images), "calibration": 20, "validation": 0.2, "test": 0.2}
        return parse({"threads": 1, "data": data, "models": {"net": NET}, **changes})

    return make


@pytest.fixture
def run(recipe, tmp_path, told):
    """run(subject, out, **of the wish) -> Evaluation"""

    def go(subject=None, out="result", force=False, **wish):
        chosen = Wish(subject=subject, **wish)
        return evaluate(chosen, recipe(), tmp_path / out, "edgecls evaluate", told, force)

    return go


def test_a_checkpoint_is_scored_on_what_it_has_not_seen(run, tiny_checkpoint, tiny_data, tmp_path):
    found = run(tiny_checkpoint)
    images, classes = tiny_data["test"]
    model = checkpoint.load(tiny_checkpoint)
    logits = CheckpointSource(tiny_checkpoint, tmp_path / "none").logits(images)
    expected = summarize(logits, classes, model.labels, model.temperature)
    scored = found.scored
    assert found.folds is None and found.curve is None and scored is not None
    for name in ("top1", "top5", "num_images", "macro_f1", "ece", "nll", "brier"):
        assert scored.metrics[name] == pytest.approx(expected[name], abs=1e-5)
    assert scored.subject.temperature == model.temperature
    assert scored.subject.sha256 == model.weights_sha256
    assert scored.calibrated["ece"] == scored.metrics["ece"]
    assert scored.raw["nll"] == pytest.approx(calibration(logits, classes).nll, abs=1e-4)
    assert sum(count for _, _, count in scored.confusion) == len(classes)
    right = sum(count for true, said, count in scored.confusion if true == said)
    assert right / len(classes) == scored.metrics["top1"]
    wrong = len(classes) - right
    assert len(scored.mistakes) == min(wrong, 24)


def test_the_folder_is_whole_and_comes_back_as_it_was_told(run, tiny_checkpoint, tmp_path):
    found = run(tiny_checkpoint)
    folder = tmp_path / "result"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "evaluation.json",
        "predictions.npz",
        "predictions.csv",
        "report.html",
        "files",
    }
    assert Evaluation.read(folder) == found
    assert {path.name for path in tmp_path.iterdir()} == {"result", ".store"}
    with np.load(folder / "predictions.npz", allow_pickle=False) as data:
        logits, classes = data["logits"], data["classes"]
    assert (logits.argmax(1) == classes).mean() == found.scored.metrics["top1"]
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    shares = probabilities(logits, found.scored.subject.temperature).max(axis=1)
    assert [float(line["confidence"]) for line in lines] == pytest.approx(shares, abs=1e-6)
    assert [line["class"] for line in lines] == [found.labels[i] for i in classes]
    assert [line["answer"] for line in lines] == [found.labels[i] for i in logits.argmax(1)]
    for mistake in found.scored.mistakes:
        assert read_file(folder, mistake.picture, "png").startswith(b"\x89PNG")
        line = next(line for line in lines if line["file"] == mistake.file)
        assert float(line["confidence"]) == pytest.approx(mistake.confidence, abs=1e-6)
    page = (folder / "report.html").read_text(encoding="utf-8")
    (folder / "report.html").unlink()
    assert write_report(folder).read_text(encoding="utf-8") == page


def test_a_bundle_is_scored_by_its_own_runner(run, tiny_bundle, tiny_checkpoint):
    found, reference = run(tiny_bundle), run(tiny_checkpoint, out="other")
    subject = found.scored.subject
    assert (subject.kind, subject.about) == ("bundle", "onnxruntime fp32")
    assert subject.temperature == checkpoint.load(tiny_checkpoint).temperature
    for name in ("top1", "num_images", "nll"):
        assert found.scored.metrics[name] == pytest.approx(reference.scored.metrics[name], abs=1e-4)
    assert "its test split is drawn again" in found.warnings[0]


def test_nothing_of_a_strange_bundle_is_started(run, fake_bundle):
    with pytest.raises(TrustError, match="code that is not of the installed kit"):
        run(fake_bundle())
    assert run(fake_bundle(), trust_code=True).scored.metrics["num_images"] > 0


def test_a_bundle_whose_logits_are_no_numbers_is_no_result(run, fake_bundle, tmp_path):
    bundle = fake_bundle(run="self.other = self.other * float('nan')")
    with pytest.raises(EdgeclsError, match="not finite"):
        run(bundle, trust_code=True)
    assert not (tmp_path / "result").exists()


def test_folds_are_those_of_the_models_own_training(run, tiny_checkpoint, told):
    found = run(tiny_checkpoint, folds=2)
    assert [part.name for part in found.folds.parts] == ["fold 1 of 2", "fold 2 of 2"]
    assert sum(part.num_images for part in found.folds.parts) == 120
    tops = [part.top1 for part in found.folds.parts]
    assert found.folds.mean == pytest.approx(np.mean(tops))
    assert found.recipe["method"] == "train" and found.recipe["options"]["arch"] == "resnet8"
    assert found.recipe["options"]["batch_size"] == 8
    for part in found.folds.parts:
        assert part.top1_low <= part.top1 <= part.top1_high
        assert part.num_train + part.num_validation + part.num_images == 120


def test_a_net_of_the_recipe_needs_no_checkpoint_and_no_training_is_done_twice(run, told):
    first = run(folds=3, sizes=(0.5, 1.0))
    trained = [name for name in told.stages if name.endswith(": train")]
    assert len(trained) == 5 and first.scored is None
    assert [part.num_images for part in first.curve.parts] == [20, 20]
    assert first.curve.parts[0].num_train * 2 == pytest.approx(
        first.curve.parts[1].num_train, abs=10
    )
    told.stages.clear()
    again = run(out="again", folds=3)
    assert not [name for name in told.stages if name.endswith(": train")]
    assert [part.top1 for part in again.folds.parts] == [part.top1 for part in first.folds.parts]
    run(out="other", folds=2)
    assert len([name for name in told.stages if name.endswith(": train")]) == 2


def test_the_folds_before_a_failure_stay(run, told, monkeypatch):
    from edgecls.methods.train import METHOD

    done = []
    apply = type(METHOD).apply

    def fail(self, *arguments):
        if len(done) == 1:
            raise EdgeclsError("the power failed")
        done.append(1)
        return apply(self, *arguments)

    monkeypatch.setattr(type(METHOD), "apply", fail)
    with pytest.raises(EdgeclsError, match="the power failed"):
        run(folds=3)
    monkeypatch.setattr(type(METHOD), "apply", apply)
    told.stages.clear()
    run(folds=3)
    assert [name for name in told.stages if "fold" in name] == [
        "fold 2 of 3: train",
        "fold 3 of 3: train",
    ]


def test_no_fold_is_judged_or_chosen_on_what_it_is_trained_on(run, monkeypatch):
    """What the method gets to see never holds the images that judge it."""
    from edgecls.methods.train import METHOD

    seen = []
    apply = type(METHOD).apply

    def note(self, parents, options, context, out):
        seen.append({name: checkpoint.marks(context.data[name][0]) for name in context.data.splits})
        return apply(self, parents, options, context, out)

    monkeypatch.setattr(type(METHOD), "apply", note)
    run(folds=3)
    whole = {m for each in seen for name in ("train", "validation") for m in each[name].tolist()}
    assert len(whole) == 120
    held_out = []
    for each in seen:
        assert set(each) == {"train", "validation", "calibration"}
        train, validation = set(each["train"].tolist()), set(each["validation"].tolist())
        assert not train & validation and set(each["calibration"].tolist()) <= train
        held_out.append(whole - train - validation)
    assert not held_out[0] & held_out[1] and len(set.union(*held_out)) == 120


def test_a_given_test_split_stays_out_of_the_folds(recipe, digit_images, tmp_path):
    given = tmp_path / "given"
    for split, start, stop in (("train", 0, 8), ("test", 8, 12)):
        for label in "0123456789":
            (given / split / label).mkdir(parents=True)
            for path in sorted((digit_images / label).iterdir())[start:stop]:
                shutil.copy(path, given / split / label)
    changed = recipe(data={"path": str(given), "calibration": 20})
    found = evaluate(Wish(folds=2), changed, tmp_path / "out", "", Silent())
    assert sum(part.num_images for part in found.folds.parts) == 80


def test_folds_of_a_table_are_of_its_images_whatever_it_is_called(recipe, digit_images, tmp_path):
    shutil.copytree(digit_images, tmp_path / "set/images")
    files = sorted(
        path for path in (tmp_path / "set/images").rglob("*.png") if path.parent.name < "4"
    )
    lines = [f"{file.relative_to(tmp_path / 'set')},{file.parent.name}" for file in files]
    (tmp_path / "set/labels.csv").write_text("\n".join(["path,label", *lines]))
    changed = recipe(data={"path": str(tmp_path / "set/labels.csv"), "calibration": 20})
    found = evaluate(Wish(folds=2), changed, tmp_path / "out", "", Silent())
    assert found.labels == ("0", "1", "2", "3")
    assert sum(part.num_images for part in found.folds.parts) == 48


def test_a_model_with_parents_cannot_be_cross_validated(run, tiny_checkpoint, tmp_path):
    child = shutil.copytree(tiny_checkpoint, tmp_path / "child")
    about = json.loads((child / checkpoint.JSON).read_text(encoding="utf-8"))
    about["provenance"] |= {"method": "distill", "parents": {"teacher": "0" * 64}}
    (child / checkpoint.JSON).write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(UsageError, match=r"distill started from other models \(teacher\)"):
        run(child, folds=2)
    assert run(child).scored is not None


def test_the_draws_are_those_of_the_models_seed(run, tiny_checkpoint, tmp_path):
    child = shutil.copytree(tiny_checkpoint, tmp_path / "child")
    about = json.loads((child / checkpoint.JSON).read_text(encoding="utf-8"))
    about["provenance"] |= {"seed": 5}
    (child / checkpoint.JSON).write_text(json.dumps(about), encoding="utf-8")
    assert run(child, folds=2).recipe["seed"] == 5


def test_a_model_that_does_not_say_how_it_was_made_cannot_either(run, tiny_checkpoint, tmp_path):
    child = shutil.copytree(tiny_checkpoint, tmp_path / "child")
    about = json.loads((child / checkpoint.JSON).read_text(encoding="utf-8"))
    about["provenance"] = {}
    (child / checkpoint.JSON).write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(UsageError, match="does not say how it was trained"):
        run(child, folds=2)


def test_a_calibrated_copy_is_fitted_on_validation_and_the_original_stays(
    run, tiny_checkpoint, tiny_data, tmp_path
):
    source = shutil.copytree(tiny_checkpoint, tmp_path / "source")
    checkpoint.copy_calibrated(checkpoint.load(tiny_checkpoint), 7.0, source)
    found = run(source, calibrated=tmp_path / "cool")
    images, classes = tiny_data["validation"]
    logits = CheckpointSource(source, tmp_path / "none").logits(images)
    expected = fit_temperature(logits, classes)
    assert checkpoint.load(tmp_path / "cool").temperature == pytest.approx(expected, rel=1e-3)
    assert found.scored.subject.temperature == pytest.approx(expected, rel=1e-3)
    assert checkpoint.load(source).temperature == 7.0
    assert found.scored.metrics["num_images"] == len(tiny_data["test"][1])
    assert any("was fitted on" in note for note in found.notes)


def test_the_temperature_is_never_fitted_on_what_is_scored(run, tiny_checkpoint, tmp_path):
    with pytest.raises(UsageError, match="fitted on the images that are scored"):
        run(tiny_checkpoint, split="validation", calibrated=tmp_path / "cool")
    assert not (tmp_path / "cool").exists()
    found = run(tiny_checkpoint, split="all", calibrated=tmp_path / "cool")
    assert found.scored.metrics["num_images"] == 120 - 20


def test_the_temperature_of_a_bundle_is_fixed(run, tiny_bundle, tmp_path):
    with pytest.raises(UsageError, match="whose temperature is fixed"):
        run(tiny_bundle, calibrated=tmp_path / "cool")


def test_what_is_there_stays_without_force_and_only_ours_is_replaced(
    run, tiny_checkpoint, tmp_path
):
    run(tiny_checkpoint)
    with pytest.raises(UsageError, match="exists already"):
        run(tiny_checkpoint)
    run(tiny_checkpoint, force=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for wish in ({"out": "mine"}, {"out": "new", "calibrated": tmp_path / "mine"}):
        with pytest.raises(UsageError, match="replaces nothing else"):
            run(tiny_checkpoint, force=True, **wish)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    with pytest.raises(UsageError, match="which it would replace"):
        run(copy, force=True, calibrated=copy)
    with pytest.raises(UsageError, match="wanted for both"):
        run(copy, out="one", calibrated=tmp_path / "one")


@pytest.mark.parametrize(
    ("wish", "cause"),
    [
        ({}, "nothing to evaluate"),
        ({"folds": 2, "split": "test"}, "no model is given to score"),
        ({"folds": 2, "net": "nett"}, "unknown model: 'nett'"),
        ({"folds": 13}, "too few for 13 folds"),
        ({"sizes": (0.5,)}, "no sizes of a learning curve"),
    ],
)
def test_wrong_wishes_are_told(run, wish, cause, tmp_path):
    with pytest.raises(UsageError, match=cause):
        run(**wish)
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize(
    ("wish", "cause"),
    [
        ({"sizes": (0.5,)}, "no sizes of a learning curve"),
        ({"sizes": (0.5, 2.0)}, "no sizes of a learning curve"),
        ({"folds": 13}, "too few for 13 folds"),
        ({"folds": 2, "net": "net"}, "--net names a model of the recipe"),
    ],
)
def test_what_is_wrong_with_the_training_is_told_before_the_model_is_scored(
    run, told, tiny_checkpoint, wish, cause
):
    with pytest.raises(UsageError, match=cause):
        run(tiny_checkpoint, **wish)
    assert "scoring" not in told.stages


def test_a_net_that_cannot_be_built_is_told_before_the_images_are_decoded(recipe, told, tmp_path):
    wrong = (({"arch": "lenet6"}, "did you mean 'lenet5'"), ({}, "cannot take images"))
    for change, cause in wrong:
        changed = recipe(models={"net": {**NET, **change}})
        data = changed.data.model_copy(update={"size": 8})
        with pytest.raises(UsageError) as caught:
            small = changed.model_copy(update={"data": data})
            evaluate(Wish(folds=2), small, tmp_path / "out", "", told)
        assert cause in f"{caught.value.cause} {caught.value.fix}"
    assert "data" not in told.stages


def test_an_evaluation_of_another_format_is_refused(run, tiny_checkpoint, tmp_path):
    run(tiny_checkpoint)
    path = tmp_path / "result" / "evaluation.json"
    whole = path.read_text(encoding="utf-8")
    for text in ("", "[]", "{}", whole.replace(f'"format": {FORMAT}', '"format": 99'), whole[:-40]):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(EdgeclsError, match=r"format|cannot be read"):
            Evaluation.read(path.parent)
    path.unlink()
    with pytest.raises(EdgeclsError, match="cannot be read"):
        Evaluation.read(path.parent)


def test_the_temperature_goes_all_the_way_to_what_a_bundle_answers(
    tiny_bundle, tiny_checkpoint, digit_images, tmp_path
):
    """checkpoint.json -> meta.json -> infer.py: softmax(logits / T)."""
    from edgecls.runner import Runner

    model = checkpoint.load(tiny_checkpoint)
    image = sorted((digit_images / "3").iterdir())[0]
    with Runner(tiny_bundle) as runner:
        assert runner.meta.postprocess.temperature == model.temperature != 1.0
        answer = runner.ask({"do": "predict", "images": [str(image)]})["predictions"][0]
    tensor = model.preprocess.load(str(image))[None]
    logits = CheckpointSource(tiny_checkpoint, tmp_path / "none").logits(tensor)
    expected = probabilities(logits, model.temperature)[0]
    assert answer["confidence"] == pytest.approx(expected.max(), abs=1e-4)
    assert answer["confidence"] != pytest.approx(probabilities(logits, 1.0).max(), abs=1e-3)
    for label, share in answer["top"]:
        assert share == pytest.approx(expected[model.labels.index(label)], abs=1e-4)
