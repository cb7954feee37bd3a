"""What the winner spends its time on, and who came after it."""

import json

import pytest

from edgecls.core import write_results
from edgecls.errors import EdgeclsError
from edgecls.report.html import page
from edgecls.report.loading import load
from edgecls.report.markdown import document
from edgecls.report.operators import Operators
from edgecls.report.runners import figures, runners
from edgecls.rundir import Budget, add_file

OPERATORS = [
    {"name": "/conv1", "type": "Conv", "ms": 0.04},
    {"name": "/<b>relu", "type": "Relu", "ms": 0.01},
    {"name": "/conv2", "type": "Conv", "ms": 0.05},
]


@pytest.fixture
def profiled(make_run):
    """The demo's folder, whose recommended row has the operators that are given."""

    def make(told):
        made = make_run()
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        digest = add_file(made.path, data, "json")
        rows = list(made.rows)
        rows[9] = rows[9].with_(files={**rows[9].files, "operators": digest})
        write_results(made.path / "results.jsonl", rows)
        return load(made.path)

    return make


def test_the_slowest_operators_and_the_sums_by_type_with_their_shares(profiled):
    run = profiled({"profiler": "openvino", "queries": 200, "operators": OPERATORS})
    assert run.operators.by_type() == [("Conv", 2, pytest.approx(0.09)), ("Relu", 1, 0.01)]
    assert [each.name for each in run.operators.slowest()] == ["/conv2", "/conv1", "/<b>relu"]
    text = page(run)
    assert "3 operators take 0.100 ms in all, by the profiler of openvino" in text.replace(
        "\u00a0", " "
    )
    assert "Profiling itself costs time" in text and "a mean of 200 queries" in text
    assert "/&lt;b&gt;relu" in text and "/<b>relu" not in text
    for share in ("90.0 %", "50.0 %", "40.0 %", "10.0 %"):
        assert share in text
    assert "| Conv | 2 | 0.0900 ms | 90.0 % |" in document(run)


def test_of_many_operators_the_rest_is_summed(profiled):
    many = [{"name": f"/{i}", "type": f"T{i}", "ms": 1.0} for i in range(50)]
    run = profiled({"profiler": "onnxruntime", "queries": 1, "operators": many})
    assert "30 other operators together" in page(run)


@pytest.mark.parametrize("told", [b"no json", {"operators": []}, {"operators": [{"ms": -1}]}, []])
def test_a_damaged_file_is_said_and_not_fatal(profiled, told):
    run = profiled(told)
    assert run.operators is None
    assert any("operators of student · openvino · int8" in text for text in run.problems)


def test_an_older_run_has_no_such_section(make_run):
    assert "Where the time goes" not in page(load(make_run().path))


def test_negative_and_infinite_times_are_refused():
    for ms in (-1, float("inf")):
        told = {"profiler": "x", "queries": 1, "operators": [{"name": "a", "type": "b", "ms": ms}]}
        with pytest.raises(EdgeclsError, match="format"):
            Operators.from_json(json.dumps(told).encode())


def test_the_runners_up_are_the_next_by_p50_with_why_they_lost(make_run):
    run = load(make_run().path)
    assert [run.rows[i].latency_p50_ms for i in runners(run)] == [0.1182, 0.183, 0.207]
    text = page(run)
    assert text.index('id="recommendation"') < text.index('id="runners"') < text.index('id="plot"')
    assert "Keeps the budget, but is 1.21× slower." in text
    assert "- student · onnxruntime · int8: Keeps the budget" in document(run)
    first = figures(run.rows[runners(run)[0]], run.rows[9], False)
    told = [(each.name, each.against, each.standing) for each in first]
    assert ("p50", "+21 %", "worse") in told and ("Size", "−16 %", "better") in told


def test_a_quicker_row_that_broke_the_budget_is_among_them(make_run):
    specs = [
        ("teacher", "torch", "fp32", None, 5.0, 9000, 5, 5),
        *(("student", f"t{i}", "fp32", None, 1.0 + i, 1000, 6, 6) for i in range(5)),
        ("student", "quick", "int8", None, 0.1, 1000, 200, 200),
    ]
    run = load(make_run(specs=specs, budget=Budget(0.01)).path)
    assert [run.rows[i].target for i in runners(run)] == ["t1", "t2", "quick"]
    assert "10.0× as fast, but too inaccurate" in page(run).replace("10×", "10.0×")


def test_without_a_winner_there_are_none(make_run):
    run = load(make_run(budget=Budget(0.01, 0.0001)).path)
    assert runners(run) == [] and 'id="runners"' not in page(run)
