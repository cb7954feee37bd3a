"""A run compares every compressed model with its source, once, and its report shows it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgecls.compared import Compared
from edgecls.core import read_results
from edgecls.device import stats
from edgecls.graph import CheckpointSource
from edgecls.pipeline import hardness, trusting
from edgecls.pipeline import run as job
from edgecls.pipeline.workshop import Workshop
from edgecls.recipe import RobustnessSection
from edgecls.report import write_report
from edgecls.report.loading import load
from edgecls.robustness.corruptions import corrupted
from edgecls.rundir import RunInfo, read_arrays, read_file
from edgecls.store import Store

SMALL = {"images": 12, "attacked": 6, "corruptions": ["contrast", "jpeg"], "severities": [1, 5]}


@pytest.fixture(scope="module")
def compared(finished) -> Compared:
    folder = finished.result.folder
    digest = RunInfo.read(folder).compared
    assert digest is not None
    return Compared.from_json(read_file(folder, digest, "json"))


def test_every_compressed_model_stands_against_its_source(compared):
    pairs = [(each.model.name, each.source.name, each.step) for each in compared.comparisons]
    assert pairs == [
        ("student", "teacher", "prune"),
        ("student · onnxruntime · int8", "student", "int8"),
        ("student · onnxruntime · int8", "teacher", "end to end"),
    ]


def test_the_figures_are_those_of_the_rows(finished, compared):
    folder = finished.result.folder
    rows = {row.name: row for row in read_results(folder / "results.jsonl")}
    row, base = rows["student · onnxruntime · int8"], rows["teacher · torch · fp32"]
    last = compared.comparisons[-1]
    assert last.model.top1 == row.top1 and last.source.top1 == base.top1
    assert last.paired.difference == pytest.approx(row.top1 - base.top1)
    both = [read_arrays(folder, each.files["predictions"]) for each in (base, row)]
    said = [each["test_logits"].argmax(1) for each in both]
    assert last.flipped == int((said[0] != said[1]).sum())
    classes = both[0]["test_classes"]
    assert last.paired.lost == int(((said[0] == classes) & (said[1] != classes)).sum())
    raw = [stats.mcnemar(each.paired.lost, each.paired.gained) for each in compared.comparisons]
    found = [each.paired.p_value for each in compared.comparisons]
    assert found == pytest.approx(stats.holm(raw))
    assert sum(each.images for each in last.classes) == len(classes)


def test_flips_have_pictures_and_are_named_as_their_files(finished, compared):
    folder = finished.result.folder
    flips = [flip for each in compared.comparisons for flip in each.flips]
    assert flips and all(flip.before != flip.after for flip in flips)
    labels = RunInfo.read(folder).labels
    for flip in flips:
        assert read_file(folder, flip.picture, "png").startswith(b"\x89PNG")
        assert flip.file.split("/")[0] == labels[flip.true]


def test_every_model_answered_the_changed_images(compared):
    assert compared.constants == "CIFAR-10-C" and compared.notes == ()
    for each in compared.comparisons:
        for side in (each.model, each.source):
            found = side.hardness
            assert found is not None and found.severities == (1, 2, 3, 4, 5)
            assert len(found.corrupted) == 6
            assert {attack.label for attack in found.attacks} == {
                *("fgsm-2", "pgd-2", "fgsm-8", "pgd-8"),
            }
            assert all(0 <= value <= 1 for row in found.corrupted.values() for value in row)
        assert each.corrupted is not None
    step, row, _ = compared.comparisons
    assert {attack.crafted_on for attack in step.model.hardness.attacks} == {""}
    assert {attack.crafted_on for attack in row.model.hardness.attacks} == {"student"}
    assert step.attacked is not None and row.attacked is None


def test_the_stages_are_found_again_and_told_once(finished):
    stages = [stage.name for stage in RunInfo.read(finished.result.folder).stages]
    assert [name for name in stages if name.endswith(": robustness")] == [
        "student: robustness",
        "teacher: robustness",
        "student: onnxruntime int8: robustness",
    ]
    assert len(stages) == len(set(stages))


def test_the_report_shows_it_and_no_path_of_this_machine(finished):
    folder = finished.result.folder
    page = write_report(folder).read_text(encoding="utf-8")
    assert "Every compressed model against its source" in page
    assert "student · onnxruntime · int8" in page
    assert str(finished.root) not in page
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "## Trust after compression" in markdown
    assert not load(folder).problems


@pytest.fixture
def again(finished, only_teacher, told):
    """again(**of the section) -> a workshop over the finished run's store."""

    def make(**section):
        recipe = only_teacher(robustness={**SMALL, **section})
        return Workshop(Store(finished.root / ".store"), recipe, told)

    return make


def test_a_checkpoint_is_answered_by_pytorch_on_the_corrupted_pictures(
    again, tiny_checkpoint, tiny_data, tmp_path
):
    workshop = again()
    images, classes = tiny_data["test"]
    section = workshop.recipe.robustness
    changed = hardness.draw(section, images, classes, "L", 0)
    assert len(changed.images) == 12 and len(set(changed.rows.tolist())) == 12
    assert (changed.images == np.asarray(images)[changed.rows]).all()
    found = hardness.of_checkpoint(workshop, "tiny", tiny_checkpoint, changed)
    source = CheckpointSource(tiny_checkpoint, tmp_path / "none.onnx")
    given = corrupted(changed.images, "contrast", 5, 0, "L")
    assert (found.answers["contrast-5"] == source.logits(given).argmax(1)).all()
    for label, pictures in found.attacked.items():
        assert len(pictures) == 6
        eps = int(label.split("-")[1])
        assert np.abs(pictures.astype(int) - changed.images[:6]).max() <= eps
        assert (found.answers[label] == source.logits(pictures).argmax(1)).all()


def test_a_bundle_answers_the_same_pictures_by_its_own_runner(
    again, tiny_checkpoint, tiny_bundle, tiny_data, told
):
    workshop = again()
    changed = hardness.draw(workshop.recipe.robustness, *tiny_data["test"], "L", 0)
    source = hardness.of_checkpoint(workshop, "tiny", tiny_checkpoint, changed)
    found = hardness.of_bundle(workshop, "row", tiny_bundle, "tiny", source, changed)
    assert set(found.answers) == {*changed.variants, *source.attacked}
    for label, answers in found.answers.items():
        assert (answers == source.answers[label]).mean() > 0.9
    assert found.crafted_on == "tiny"
    told.stages.clear()
    hardness.of_bundle(workshop, "row", tiny_bundle, "tiny", source, changed)
    assert told.stages == []


def test_the_key_is_of_the_pictures(tiny_data):
    images, classes = tiny_data["test"]
    section = RobustnessSection(**SMALL)

    def key(section=section, images=images, seed=0):
        return hardness.draw(section, images, classes, "L", seed).key

    assert key() == key(images=np.array(images))
    other = np.array(images)
    other[:] = 255 - other
    keys = {
        key(),
        key(seed=1),
        key(images=other),
        *(
            key(section.model_copy(update=change))
            for change in (
                {"severities": [1]},
                {"attacked": 5},
                {"eps": [3]},
                {"steps": 2},
                {"corruptions": ["jpeg"]},
                {"images": 11},
                {"attacks": ["fgsm"]},
            )
        ),
    }
    assert len(keys) == 10
    assert key() == key(section.model_copy(update={"max_excess": 0.5, "rows": "all"}))


def test_without_changed_images_the_pairs_are_there_still(finished, recipe, told, beside):
    result = job.run(recipe(robustness={"enabled": False}), beside, "edgecls run", told)
    digest = RunInfo.read(result.folder).compared
    found = Compared.from_json(read_file(result.folder, digest, "json"))
    assert len(found.comparisons) == 3
    assert all(each.corrupted is None and each.model.hardness is None for each in found.comparisons)
    assert not [name for name in told.stages if "robustness" in name]
    assert "were not looked at" in (result.folder / "report.md").read_text(encoding="utf-8")


def test_all_rows_are_judged_where_that_is_asked(finished, recipe, told, beside):
    result = job.run(
        recipe(robustness={"enabled": False, "rows": "all"}), beside, "edgecls run", told
    )
    digest = RunInfo.read(result.folder).compared
    found = Compared.from_json(read_file(result.folder, digest, "json"))
    names = {each.model.name for each in found.comparisons}
    assert "teacher · onnxruntime · fp32" in names and "teacher · torch · fp32" not in names


def test_a_bundle_that_fails_costs_its_own_figures(finished, recipe, told, beside, monkeypatch):
    from edgecls.errors import RunnerError

    def fail(workshop, label, bundle, *rest):
        raise RunnerError(f"{bundle} ended", "try again")

    monkeypatch.setattr(hardness, "of_bundle", fail)
    result = job.run(recipe(seed=0, robustness=SMALL), beside, "edgecls run", told)
    digest = RunInfo.read(result.folder).compared
    found = Compared.from_json(read_file(result.folder, digest, "json"))
    assert found.notes == (
        "student: onnxruntime int8 did not answer the changed images: "
        "bundles/onnxruntime-int8 ended",
    )
    row = found.comparisons[1]
    assert row.model.hardness is None and row.corrupted is None and row.paired.num_images


def test_a_doubt_is_told_while_it_runs(finished, recipe, told, beside, monkeypatch):
    from edgecls.compared import Excess

    real = trusting.compare

    def doubtful(*given):
        found = real(*given)
        pair = replace(found.paired, difference=0.0)
        return replace(found, paired=pair, corrupted=Excess(0.2, 0.1, 0.3))

    monkeypatch.setattr(trusting, "compare", doubtful)
    result = job.run(recipe(robustness=SMALL), beside, "edgecls run", told)
    warned = [note for note in told.notes if "more on corrupted images" in note]
    assert warned and warned[0].startswith("warning: student keeps the accuracy of teacher")
    page = result.report.read_text(encoding="utf-8")
    assert "Accuracy kept, robustness lost" in page
    assert json.loads((result.folder / "run.json").read_text())["compared"]
