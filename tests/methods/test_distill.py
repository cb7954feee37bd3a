"""Distillation: its teachers, its material, and that a killed one ends as an unbroken one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgecls import methods
from edgecls.core import Context
from edgecls.errors import UsageError
from edgecls.models import checkpoint
from edgecls.recipe import validated
from edgecls.store import Store
from edgecls.train import teachers

FAST = {"arch": "lenet5", "epochs": 2, "batch_size": 16, "precision": "fp32"}


@pytest.fixture
def teach(tiny_data, tmp_path):
    """Distil in a work folder of that name, answers shared through one store."""

    def run(
        given: Path | list[Path], work: str = "work", progress=None, data=tiny_data, **options
    ) -> Path:
        folders = given if isinstance(given, list) else [given]
        out = tmp_path / f"{work}-out"
        for folder in (out, tmp_path / work):
            folder.mkdir(exist_ok=True)
        method = methods.get("distill")
        chosen = validated(
            method.Options, {**FAST, "teacher": [str(f) for f in folders], **options}
        )
        parents = {f"teacher.{n}" if n else "teacher": f for n, f in enumerate(folders)}
        context = Context(
            data, 0, tmp_path / work, threads=1, shared=Store(tmp_path / "store").shared
        )
        if progress is not None:
            context = replace(context, progress=progress)
        method.apply(parents, chosen, context, out)
        return out

    return run


@pytest.fixture
def asked(monkeypatch):
    """How many images teachers have answered."""
    counts = []
    answer = teachers.Teacher.__call__

    def counting(self, piece):
        counts.append(len(piece.images))
        return answer(self, piece)

    monkeypatch.setattr(teachers.Teacher, "__call__", counting)
    return counts


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.module(checkpoint.load(folder)).state_dict()


def same(one: Path, other: Path) -> bool:
    a, b = weights_of(one), weights_of(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_teacher_is_asked_once_for_the_views_of_all_students(teach, tiny_checkpoint, asked):
    first = teach(tiny_checkpoint, "one", epochs=4, views=2)
    once = sum(asked)
    again = teach(tiny_checkpoint, "two", epochs=4, views=2)
    assert sum(asked) == once and same(first, again)
    teach(tiny_checkpoint, "three", epochs=6, views=2, lr=0.1)
    assert sum(asked) == once
    teach(tiny_checkpoint, "four", epochs=3)
    assert sum(asked) == once * 3 // 2


def test_kept_answers_are_those_of_a_teacher_that_is_asked(teach, tiny_checkpoint, tmp_path):
    """Whatever lies in the store, the student is the same, bit for bit."""
    kept = teach(tiny_checkpoint, "kept", mixup=0.3)
    taken = teach(tiny_checkpoint, "taken", mixup=0.3)
    files = list((tmp_path / "store").rglob("*.npy"))
    assert len(files) == 2
    for file in files:
        file.unlink()
    assert same(kept, taken) and same(kept, teach(tiny_checkpoint, "anew", mixup=0.3))


class Stop(Exception):
    pass


class StopIn:
    """A Progress that raises in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.steps = epoch, 0

    def step(self, done: int, total: int, note: str = "") -> None:
        self.steps += note.startswith(f"epoch {self.epoch}/")
        if self.steps == 2:
            raise Stop


@pytest.mark.parametrize("options", [{"views": 1}, {"hints": 1.0}, {"kind": "dkd", "beta": 4.0}])
def test_a_killed_student_ends_as_an_unbroken_one(teach, tiny_checkpoint, options):
    whole = teach(tiny_checkpoint, "whole", epochs=3, **options)
    with pytest.raises(Stop):
        teach(tiny_checkpoint, "broken", StopIn(2), epochs=3, **options)
    assert same(whole, teach(tiny_checkpoint, "broken", epochs=3, **options))


def test_every_teacher_of_an_ensemble_counts(teach, tiny_checkpoint, apply):
    other = apply("train", out="other", arch="lenet5", epochs=2)
    both = teach([tiny_checkpoint, other], "both")
    record = checkpoint.load(both).provenance["parents"]
    assert set(record) == {"teacher", "teacher.1"} and len(set(record.values())) == 2
    assert not same(both, teach(tiny_checkpoint, "first"))
    assert not same(both, teach(other, "second"))


def test_hints_change_the_student_and_leave_nothing_in_it(teach, tiny_checkpoint):
    plain = teach(tiny_checkpoint, "plain")
    hinted = teach(tiny_checkpoint, "hinted", hints=2.0)
    assert weights_of(plain).keys() == weights_of(hinted).keys() and not same(plain, hinted)


def test_unlabelled_images_are_learned_from_and_never_those_that_are_scored(
    teach, tiny_checkpoint, tiny_data, tmp_path, asked
):
    folder = tmp_path / "more"
    folder.mkdir()
    for number, image in enumerate(np.asarray(tiny_data["test"][0][:3])):
        Image.fromarray(image[..., 0]).save(folder / f"test-{number}.png")
    random = np.random.default_rng(3)
    for number in range(6):
        pixels = random.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    plain = teach(tiny_checkpoint, "plain")
    before, labelled = sum(asked), len(tiny_data["train"][0])
    taught = teach(tiny_checkpoint, "more", unlabelled=str(folder), mixup=0.2)
    assert sum(asked) - before == 2 * (labelled + 6) // 2 * 2
    assert not same(plain, taught)
    found = checkpoint.load(taught)
    assert found.provenance["options"]["material_sha256"][1]
    scored = checkpoint.marks(tiny_data["test"][0])
    assert not np.isin(scored, found.seen()).any()
    assert len(found.seen()) == len(checkpoint.load(plain).seen()) + 6


def test_a_student_may_begin_with_weights(teach, tiny_checkpoint, apply):
    begun = apply("train", out="begun", arch="lenet5", epochs=1)
    folder = teach(tiny_checkpoint, "begins", weights=str(begun), epochs=1, lr=1e-6, warmup=0.0)
    start, end = weights_of(begun), weights_of(folder)
    learned = [name for name in start if name.endswith(("weight", "bias"))]
    assert all(torch.allclose(start[name], end[name], atol=1e-3) for name in learned)
    assert json.loads((folder / "pretrained.json").read_text())["fresh"] == []


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"hint_layers": ["a:b"]}, "hint_layers has no effect"),
        ({"beta": 3.0}, "beta has no effect"),
        ({"unlabelled": "x", "sampling": "balanced"}, "sampling balanced has no classes"),
        ({"unlabelled": "x", "alpha": 0.0}, "unlabelled has no effect"),
        ({"teacher": []}, "teacher"),
        ({"teacher": ["t", "u", "./t"]}, "teacher names t twice"),
        ({"views": 20}, "views has no effect"),
        ({"views": 4, "epochs": 4}, "views has no effect"),
        ({"alpha": 1.0, "label_smoothing": 0.2}, "label_smoothing has no effect"),
        ({"alpha": 1.0, "class_weights": "balanced"}, "class_weights has no effect"),
        ({"kind": "crd"}, "kind"),
    ],
)
def test_options_without_effect_are_refused(given, cause):
    with pytest.raises(UsageError) as caught:
        validated(methods.get("distill").Options, {"teacher": "t", **given}, "models.x")
    assert cause in str(caught.value)


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("distill", {"teacher": "t", "views": 19}),
        ("distill", {"teacher": ["t", "u"], "alpha": 1.0, "label_smoothing": 0.0}),
        ("prune", {"model": "m", "epochs": 2, "sparse_epochs": 9, "views": 8}),
        ("sparsify", {"model": "m", "epochs": 2, "ramp_epochs": 9, "views": 8}),
    ],
)
def test_where_they_have_one_they_are_taken(method, given):
    assert validated(methods.get(method).Options, given, "models.x")


def test_material_that_is_not_there_is_an_error_with_a_cure(teach, tiny_checkpoint, tmp_path):
    with pytest.raises(UsageError, match="no folder of images"):
        teach(tiny_checkpoint, unlabelled=str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="layer"):
        teach(tiny_checkpoint, "layers", hints=1.0, hint_layers=["none:none"])
