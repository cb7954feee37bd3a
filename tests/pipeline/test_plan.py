"""The plan: every model, how long it will take, and what is done already."""

from __future__ import annotations

import json

import pytest

from edgecls.core import Workload
from edgecls.device.preprocess import Preprocess
from edgecls.pipeline import plan
from edgecls.pipeline.choice import Choice
from edgecls.pipeline.nets import resolve
from edgecls.recipe import parse

TABLES = {
    "teacher": {"method": "train", "arch": "lenet5", "epochs": 2},
    "small": {"method": "distill", "teacher": "teacher", "arch": "lenet5", "epochs": 1},
    "student": {"method": "prune", "model": "small", "teacher": "teacher", "epochs": 1},
}
# Its stem is protected, which is most of a LeNet's work.
TABLES["student"]["macs_ratio"] = 1.5
PREPROCESS = Preprocess((20, 20), mode="L", mean=(0.5,), std=(0.25,))


def draw_up(finished: bool) -> plan.Plan:
    choice = Choice(PREPROCESS, TABLES, ("because of the images",))
    work = Workload(100, 10, PREPROCESS, threads=1)
    done = dict.fromkeys(TABLES, finished)
    return plan.draw_up(parse({}), choice, resolve(TABLES), work, 6, done)


def test_it_tells_every_model_with_net_parents_and_time():
    found = draw_up(finished=False)
    text = "\n".join(found.lines)
    assert "edgecls run demo: digits, 10 classes" in found.lines[0]
    assert "  · because of the images" in found.lines
    assert "  teacher: train lenet5, about " in text
    assert "  small: distill lenet5 from teacher, about " in text
    assert "  student: prune lenet5 from small, teacher, about " in text
    assert "6 bundles" in text and "in all" in found.lines[-1]
    assert found.minutes > 0
    assert json.loads(json.dumps(found.to_json()))["reasons"] == ["because of the images"]


def test_what_is_done_already_takes_no_time():
    found, anew = draw_up(finished=True), draw_up(finished=False)
    assert sum("(done already)" in line for line in found.lines) == 3
    assert found.minutes < anew.minutes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (150, "2.5 minutes"), (7200, "2.0 hours")],
)
def test_durations_are_for_people(seconds, text):
    assert plan._duration(seconds) == text
