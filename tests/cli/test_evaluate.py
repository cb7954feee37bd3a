"""``edgecls evaluate``: what it asks for, what it prints, and how it says no."""

from __future__ import annotations

import json

import pytest

from edgecls.models import checkpoint

QUICK = ("--set", "threads=1", "--set", "data.calibration=10", "--set", "data.test=0.2")


@pytest.fixture
def asked(monkeypatch):
    """What the command asked for, without doing it."""
    from edgecls.evaluation import Evaluation

    seen = []

    def note(wish, recipe, out, command, events, force):
        seen.append((wish, recipe, out, force))
        return Evaluation("x", command, "now", "0", recipe.data.path, ("a", "b"))

    monkeypatch.setattr("edgecls.pipeline.evaluate.evaluate", note)
    return seen


def test_flags_become_the_wish(edgecls, asked):
    done = edgecls(
        *("evaluate", "runs/demo/models/student", "--data", "there", "--split", "all"),
        *("--folds", 4, "--learning-curve", "0.1,0.5,1", "--calibrated", "cool", "--force"),
    )
    assert done.status == 0
    assert "checkpoint: cool" in done.out
    assert "report: runs/evaluations/student/report.html" in done.out
    ((wish, recipe, _, force),) = asked
    assert wish.subject.as_posix() == "runs/demo/models/student"
    assert (wish.split, wish.folds, wish.sizes) == ("all", 4, (0.1, 0.5, 1.0))
    assert wish.calibrated.as_posix() == "cool" and not wish.trust_code
    assert recipe.data.path == "there" and force


def test_another_model_to_compare_with_is_handed_on(edgecls, asked):
    done = edgecls("evaluate", "runs/a", "--against", "runs/b", "--set", "robustness.images=50")
    assert done.status == 0
    ((wish, recipe, _, _),) = asked
    assert wish.against.as_posix() == "runs/b" and recipe.robustness.images == 50


def test_two_models_are_compared(edgecls, digit_images, tiny_checkpoint, tiny_bundle):
    done = edgecls(
        *("evaluate", tiny_bundle, "--against", tiny_checkpoint, "--data", digit_images, *QUICK),
        *("--set", "robustness.images=5", "--set", "robustness.attacked=2", "--out", "pair"),
    )
    assert done.status == 0, done.err
    assert f"against {tiny_checkpoint}: ±0.00 points of accuracy" in done.out
    same = edgecls("evaluate", tiny_bundle, "--against", tiny_bundle, "--data", digit_images)
    assert same.status == 2 and "compared with itself" in same.err


def test_without_a_model_the_recipe_says_what_is_trained(edgecls, asked, tmp_path):
    path = tmp_path / "cats.toml"
    path.write_text('seed = 7\n[models.net]\nmethod = "train"\narch = "lenet5"\n')
    edgecls("evaluate", "--recipe", path, "--net", "net", "--folds", 3, "--set", "threads=1")
    edgecls("evaluate", "--folds", 3, "--seed", 5, "--out", "here", "--trust-code")
    (first, recipe, out, force), (second, other, where, _) = asked
    assert first.subject is None and first.net == "net" and first.sizes == () and not force
    assert recipe.seed == 7 and recipe.models["net"]["arch"] == "lenet5" and recipe.threads == 1
    assert out.as_posix() == "runs/evaluations/cats"
    assert other.seed == 5 and other.data.path == "digits" and where.as_posix() == "here"
    assert second.trust_code


def test_a_checkpoint_is_evaluated_and_calibrated(edgecls, digit_images, tiny_checkpoint, tmp_path):
    done = edgecls(
        *("evaluate", tiny_checkpoint, "--data", digit_images, *QUICK),
        *("--folds", 2, "--out", "result", "--calibrated", "cool"),
    )
    assert done.status == 0, done.err
    assert "not seen in training" in done.out and "mean of the folds" in done.out
    cwd = tmp_path / "cwd"
    told = json.loads((cwd / "result" / "evaluation.json").read_text(encoding="utf-8"))
    assert told["command"].startswith("edgecls")
    assert checkpoint.load(cwd / "cool").temperature == told["scored"]["subject"]["temperature"]
    page = (cwd / "result" / "report.html").read_text(encoding="utf-8")
    assert edgecls("report", "result").out == "report: result/report.html\n"
    assert (cwd / "result" / "report.html").read_text(encoding="utf-8") == page
    again = edgecls("evaluate", tiny_checkpoint, "--data", digit_images, *QUICK, "--out", "result")
    assert again.status == 2 and "exists already" in again.err


def test_warnings_are_seen_in_the_terminal(edgecls, digit_images, tiny_checkpoint):
    done = edgecls("evaluate", tiny_checkpoint, "--data", digit_images, *QUICK, "--split", "all")
    assert done.status == 0
    assert "warning: it was trained or chosen on" in done.out


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ("evaluate", "nothing to evaluate"),
        ("evaluate no/such", "is not a checkpoint"),
        ("evaluate --folds 1", "--folds"),
        ("evaluate --folds many", "--folds"),
        ("evaluate --folds 2 --learning-curve a,b", "is not numbers with commas between them"),
        ("evaluate --folds 2 --learning-curve 0.5,", "is not numbers with commas between them"),
        ("evaluate {checkpoint} --net x", "--net names a model of the recipe"),
        ("evaluate --learning-curve 2,1", "no sizes of a learning curve"),
        ("evaluate --split some", "'some' is not one of"),
        ("evaluate --folds 2 --data no/such", "is not there"),
        ("evaluate --folds 2 --net x", "unknown model: 'x'"),
        ("evaluate --recipe no/such.toml --folds 2", "there is no recipe"),
    ],
)
def test_what_is_asked_wrongly_ends_with_a_sentence(edgecls, tiny_checkpoint, arguments, cause):
    done = edgecls(*arguments.format(checkpoint=tiny_checkpoint).split())
    assert done.status == 2
    assert cause in done.err and "Traceback" not in done.err
