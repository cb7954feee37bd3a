"""One step on its own: what it writes is whole, and what was there stays until it is."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from edgecls.device.meta import bundle_sha256, sha256
from edgecls.errors import ConversionError, UsageError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint
from edgecls.pipeline import single
from edgecls.pipeline.events import Silent
from edgecls.recipe import parse
from edgecls.targets.onnxruntime import TARGET

FIT = {"epochs": 1, "batch_size": 16}


@pytest.fixture
def export(tiny_checkpoint, monkeypatch):
    """The export; its canonical graph is made once for all tests, and checked each time."""
    graph = CheckpointSource(tiny_checkpoint, tiny_checkpoint.parent / "graph.onnx").onnx()
    monkeypatch.setattr(
        "edgecls.graph.export", lambda net, preprocess, path: shutil.copyfile(graph, path)
    )

    def run(out: Path, force: bool = False, source: Path = tiny_checkpoint) -> Path:
        return single.export(source, "onnxruntime", "fp32", out, force)

    return run


def test_a_bundle_is_named_after_its_checkpoint(export, tiny_checkpoint, tmp_path):
    (tmp_path / "student").symlink_to(tiny_checkpoint)
    out = export(tmp_path / "deep" / "er" / "bundle", source=tmp_path / "student")
    assert json.loads((out / "meta.json").read_text())["model"] == "student"
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]  # nothing is left beside


def test_what_exists_stays_without_force(export, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(UsageError, match="exists already") as caught:
        export(tmp_path / "out")
    assert "--force" in caught.value.fix
    assert (tmp_path / "out" / "mine").read_text() == "x"


def test_what_exists_stays_where_the_new_one_fails(tiny_bundle, export, monkeypatch, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(tiny_bundle, out)
    before = bundle_sha256(str(out))

    def fail(source, request, folder):
        (folder / "model.onnx").write_bytes(b"half")
        raise ConversionError("no", "no")

    monkeypatch.setattr(TARGET, "convert", fail)
    with pytest.raises(ConversionError):
        export(out, force=True)
    assert bundle_sha256(str(out)) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_replaces_what_edgecls_made(tiny_bundle, export, tmp_path):
    shutil.copytree(tiny_bundle, tmp_path / "out")
    (tmp_path / "out" / "old").write_text("x")
    out = export(tmp_path / "out", force=True)
    assert (out / "meta.json").is_file() and not (out / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_replaces_nothing_else(export, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="--force replaces nothing else"):
        export(tmp_path / "out", force=True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_what_it_is_made_from_is_never_replaced(export, tiny_checkpoint, tmp_path):
    mine = shutil.copytree(tiny_checkpoint, tmp_path / "mine")
    (tmp_path / "link").symlink_to(mine)
    for out in (mine, tmp_path / "link", mine / ".." / "mine"):
        with pytest.raises(UsageError, match="which it would replace"):
            export(out, force=True, source=mine)
    assert checkpoint.load(mine).arch == "resnet8"


@pytest.fixture
def recipe(digit_images):
    return parse({"threads": 1, "data": {"path": str(digit_images), "calibration": 20}})


def test_methods_follow_each_other_by_paths(recipe, tmp_path):
    def apply(name: str, out: str, **options: object) -> Path:
        return single.apply_method(
            name, {**FIT, **options}, recipe, tmp_path / out, Silent(), force=False
        )

    teacher = apply("train", "teacher", arch="lenet5")
    before = sha256(str(teacher / "model.safetensors"))
    student = apply("distill", "student", teacher=str(teacher), arch="lenet5")
    cut = apply("prune", "cut", model=str(student), macs_ratio=1.2, round_to=2)
    loaded = checkpoint.load(cut)
    weights = checkpoint.load(student).weights_sha256
    assert loaded.provenance["parents"] == {"model": weights, "teacher": weights} or (
        loaded.provenance["parents"] == {"model": weights}
    )
    assert loaded.macs < checkpoint.load(student).macs
    assert sha256(str(teacher / "model.safetensors")) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".store", "cut", "student", "teacher"]


def test_the_epochs_are_told_to_tensorboard(recipe, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    told = recipe.model_copy(update={"tensorboard": str(tmp_path / "events")})
    single.apply_method(
        "train", {**FIT, "arch": "lenet5"}, told, tmp_path / "net", Silent(), force=False
    )
    (events,) = (tmp_path / "events" / "net").iterdir()
    assert b"val_top1" in events.read_bytes()


def test_the_epochs_of_a_checkpoint_from_the_store_are_told_too(recipe, tmp_path, told):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    options = {**FIT, "arch": "lenet5", "epochs": 2}
    single.apply_method("train", options, recipe, tmp_path / "net", Silent(), force=False)
    with_board = recipe.model_copy(update={"tensorboard": str(tmp_path / "events")})
    out = single.apply_method("train", options, with_board, tmp_path / "again", told, force=False)
    assert "again: train" not in told.stages
    (events,) = (tmp_path / "events" / "again").iterdir()
    data = events.read_bytes()
    curves = json.loads((out / checkpoint.CURVES).read_text())["epochs"]
    assert len(curves) == 2
    for epoch in curves:
        assert struct.pack("<f", epoch["val_loss"]) in data


def test_what_is_to_be_done_is_told_before_anything_slow_is_imported(digit_images, tmp_path):
    """PyTorch alone takes seconds."""
    code = f"""
import sys
from pathlib import Path
from edgecls.pipeline.events import Silent
from edgecls.pipeline.single import apply_method
from edgecls.recipe import parse

class Told(Silent):
    def plan(self, lines):
        assert not {{"torch", "torchvision", "sklearn", "onnx"}} & set(sys.modules)
        print(*lines)
        sys.exit(0)

recipe = parse({{"data": {{"path": {str(digit_images)!r}, "size": 128}}}})
apply_method("train", {{"arch": "lenet5"}}, recipe, Path({str(tmp_path)!r}) / "net", Told(), False)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = "train: lenet5 on 120 images in 10 classes, input 128×128, grayscale\n"
    assert done.stdout == expected


def test_a_parent_of_other_data_is_refused(recipe, digit_images, tiny_checkpoint, tmp_path):
    fewer = tmp_path / "fewer"
    for label in "012":
        shutil.copytree(digit_images / label, fewer / label)
    other = recipe.model_copy(update={"data": recipe.data.model_copy(update={"path": str(fewer)})})
    with pytest.raises(UsageError, match="knows other classes than the data"):
        single.apply_method(
            "distill",
            {**FIT, "teacher": str(tiny_checkpoint)},
            other,
            tmp_path / "out",
            Silent(),
            force=False,
        )
    assert not (tmp_path / "out").exists()


def test_images_that_are_not_there_are_named(recipe, tmp_path):
    missing = recipe.model_copy(update={"data": recipe.data.model_copy(update={"path": "no/such"})})
    with pytest.raises(UsageError, match="no/such is not there"):
        single.apply_method("train", FIT, missing, tmp_path / "out", Silent(), force=False)
