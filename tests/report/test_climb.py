"""The section of the climb: every step with its cost, the warning where no step holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecls.core import Remedies, read_results, write_results
from edgecls.quantize.climbing import Climb, Step
from edgecls.quantize.diagnosis import Diagnosis, LayerCost
from edgecls.report.climb import diagnosis_table
from edgecls.report.html import page
from edgecls.report.loading import Run, load
from edgecls.report.markdown import document
from edgecls.rundir import RESULTS, add_file

LAYER = LayerCost("body.<0>", "Conv", 12.0, 40.0, None, 3.0, 2.5, 0.2, 0.01, 51.0)
DIAGNOSIS = Diagnosis(
    *("openvino", "u8s8-pc", Remedies().to_json(), "accuracy", "validation"),
    *(200, 0.9, 0.86, 0.3, (LAYER,), "ONNX Runtime"),
)
STEPS = (
    Step("rung", "min-max", "cuts nothing", {}, 2.0, 0.86, 0.8, 0.9, 0.04),
    Step("float", "body.<0> in float", "costs 3 points", {}, 3.0, 0.893, 0.85, 0.93, 0.007),
    Step("rung", "entropy", "last", {}, 0.0, error="NNCF has no entropy"),
)
FOUND = Climb(
    *("openvino", 0.005, "openvino fp32", 0.9, 200, "each bundle by its own runner"),
    *(STEPS, 1, 9.5, 3, DIAGNOSIS),
)


@pytest.fixture
def climbed_run(make_run):
    """A run whose first row was climbed to."""

    def make(found: Climb) -> Run:
        folder = make_run(f"bound-{found.max_drop}").path
        rows = read_results(folder / RESULTS)
        digest = add_file(folder, found.to_json().encode(), "json")
        first = rows[0].with_(files={**rows[0].files, "climb": digest})
        write_results(folder / RESULTS, [first, *rows[1:]])
        return load(folder)

    return make


@pytest.fixture
def shown(climbed_run):
    """The report's page of such a run."""
    return lambda found: page(climbed_run(found))


def test_every_step_is_shown_with_what_it_cost(shown):
    found = shown(FOUND)
    assert "The climb of int8" in found and "4.00 points below" in found
    assert "failed: NNCF has no entropy" in found and "3 evaluations of 200\u00a0images" in found
    assert found.count("shipped</td>") == 1
    assert "body.&lt;0&gt; in float" in found and "body.<0>" not in found


def test_a_bound_that_does_not_hold_is_a_warning(shown):
    warning = "Warning: the bound does not hold"
    assert warning in shown(FOUND) and warning not in shown(replace(FOUND, max_drop=0.01))


def test_a_run_without_a_climb_has_no_section(make_run):
    run = load(make_run().path)
    assert "The climb of int8" not in page(run) + document(run)


def test_the_short_form_tells_the_climb_too(climbed_run):
    found = document(climbed_run(FOUND))
    assert "## The climb of int8" in found and "3 evaluations of 200 images" in found
    assert found.count("shipped |") == 1 and "body.&lt;0&gt; in float" in found


def test_the_terminal_has_a_line_for_each_layer():
    assert diagnosis_table(DIAGNOSIS).row_count == 1
