"""The climb: it stops where the bound holds, keeps its steps, and says where none does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecls import targets
from edgecls.core import Remedies, Rung
from edgecls.device import meta
from edgecls.errors import ConversionError
from edgecls.graph import CheckpointSource
from edgecls.pipeline import climb as climbing
from edgecls.pipeline import conversion
from edgecls.pipeline.climb import Ascent, climb
from edgecls.pipeline.events import Silent
from edgecls.pipeline.quantizing import Model, Validation
from edgecls.pipeline.workshop import Workshop
from edgecls.quantize.climbing import Climb
from edgecls.recipe import parse
from edgecls.report.climb import climb_table
from edgecls.store import Entry, Store

LADDER = (
    Rung("min-max", Remedies(), "first"),
    Rung("histogram", Remedies(ranges="histogram"), "second"),
)


@pytest.fixture
def ascent(tiny_checkpoint, tiny_data, tmp_path, monkeypatch):
    """A climb of two rungs on ONNX Runtime. `told` are the accuracies that the steps get."""
    graph = tmp_path / "graph"
    graph.mkdir()
    CheckpointSource(tiny_checkpoint, graph / "model.onnx").onnx()
    target = targets.get("onnxruntime")
    monkeypatch.setattr(type(target), "quantizing", type(target.quantizing)(Remedies(), LADDER))
    images, classes = (np.asarray(part) for part in tiny_data["validation"])
    converted: list[Remedies | None] = []
    real = conversion.bundle

    def bundle(self, name, model, graph, target, precision, remedies=None):
        converted.append(remedies)
        return real(self, name, model, graph, target, precision, remedies)

    monkeypatch.setattr(conversion, "bundle", bundle)

    def make(max_drop: float, told: list[float], **more) -> tuple[Ascent, list[Remedies | None]]:
        scores = iter(told)

        def answers(ascent, bundle, name, *rest):
            right = round(next(scores) * len(classes))
            hit = np.where(np.arange(len(classes)) < right, classes, (classes + 1) % 10)
            return np.eye(10, dtype=np.float32)[hit], 1.0

        if told:
            monkeypatch.setattr(climbing, "_answers", answers)
        workshop = Workshop(Store(tmp_path / "store"), parse({}), Silent())
        model = Model("tiny", Entry("m", tiny_checkpoint), Entry("g", graph))
        given = Validation(images, classes, "validation")
        return Ascent(workshop, model, target, given, max_drop, **more), converted

    return make


def test_it_stops_at_the_first_step_that_holds(ascent):
    given, converted = ascent(0.05, [0.9, 0.9])
    found, entry = climb(given)
    assert found.met and found.step.name == "min-max" and len(found.steps) == 1
    assert converted == [None, Remedies()]  # the fp32 that it is compared with, and one rung
    assert found.num_evaluations == 2 and found.reference == "onnxruntime fp32"
    told = meta.read(str(entry.out))
    assert told.details["climb"]["met"] and told.details["remedies"]["ranges"] == "minmax"
    assert not meta.check(str(entry.out), told)


def test_it_goes_on_to_layers_in_float_and_keeps_the_best(ascent, monkeypatch):
    monkeypatch.setattr(climbing, "MOST_FLOAT", 2)
    given, _ = ascent(0.0, [0.9, 0.5, 0.6, 0.7, 0.65])
    found, _ = climb(given)
    assert not found.met and found.step.kind == "float" and found.chosen == 2
    assert [step.kind for step in found.steps] == ["rung", "rung", "float", "float"]
    first, second = (set(step.remedies["float_layers"]) for step in found.steps[2:])
    assert first < second and len(second) == 2  # from the best rung on, which was the second
    assert found.steps[2].remedies["ranges"] == "histogram"
    assert found.diagnosis is not None and found.diagnosis.layers[0].layer in first
    assert "no step holds" in found.verdict


def test_training_is_the_last_step(ascent, monkeypatch):
    monkeypatch.setattr(climbing, "MOST_FLOAT", 0)
    calls = []

    def train():
        calls.append(1)
        return given.model

    given, _ = ascent(0.0, [0.9, 0.5, 0.6, 0.9], train=train)
    found, _ = climb(given)
    assert found.met and found.step.kind == "training" and calls == [1]


def test_remedies_that_were_asked_for_come_first(ascent):
    asked = Remedies(ranges="percentile", percentile=99.0)
    given, converted = ascent(0.1, [0.9, 0.9], first=asked)
    found, _ = climb(given)
    assert found.step.name == "as asked for" and converted[-1] == asked


def test_a_step_that_cannot_be_converted_is_told_and_left_behind(ascent, monkeypatch):
    given, _ = ascent(0.1, [0.9, 0.9])
    real = conversion.bundle

    def bundle(self, name, model, graph, target, precision, remedies=None):
        if remedies == Remedies():
            raise ConversionError("no min-max today", "try tomorrow")
        return real(self, name, model, graph, target, precision, remedies)

    monkeypatch.setattr(conversion, "bundle", bundle)
    found, _ = climb(given)
    assert found.steps[0].error == "no min-max today" and found.step.name == "histogram"


def test_a_climb_that_is_made_again_costs_nothing(ascent):
    """Judged by the bundles' own runners, every step from the store the second time."""
    first, entry = climb(ascent(1.0, [])[0])
    given, _ = ascent(1.0, [])
    again, same = climb(given)
    assert again == first and same.out == entry.out
    assert all(stage.cached for stage in given.workshop.done)
    assert 0 <= first.reference_top1 <= 1 and first.num_images == len(given.validation.images)


def test_the_record_is_read_as_it_was_written_and_shown(ascent):
    found, _ = climb(ascent(0.05, [0.9, 0.9])[0])
    assert Climb.from_json(found.to_json()) == found
    assert json.loads(found.to_json())["steps"][0]["name"] == "min-max"
    assert climb_table(found).row_count == 1


def test_a_target_that_does_not_run_here_is_judged_by_its_graph(ascent, monkeypatch):
    given, _ = ascent(1.0, [])
    from edgecls.pipeline import quantizing

    monkeypatch.setattr(quantizing, "runs_here", lambda target, purpose: False)
    found, _ = climb(given)
    assert "ONNX Runtime" in found.judged and found.reference == "the canonical graph in fp32"
    assert found.met and Path(given.bundles[0].out / "meta.json").is_file()


def test_a_net_trained_for_int8_is_judged_by_its_own_graph(ascent, tiny_int8, tmp_path):
    from edgecls.pipeline import quantizing

    given, _ = ascent(1.0, [])
    (tmp_path / "trained").mkdir()
    trained = Model("trained", Entry("t", tiny_int8), Entry("tg", tmp_path / "trained"))
    found = quantizing.emulated(
        given.workshop, "trained", trained, targets.get("tensorrt"), Remedies(), given.validation
    )
    logits = conversion.load_logits(found, ["validation"])["validation"]
    assert logits.shape == (len(given.validation.images), 10) and np.isfinite(logits).all()
