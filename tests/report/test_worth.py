"""Int8 that costs time, and figures of a machine that the model was not made for, are told."""

from __future__ import annotations

import io

import pytest

from edgecls.core import write_results
from edgecls.report import recommend, terminal_table, write_report
from edgecls.report.schemes import CAPTION
from edgecls.report.worth import remarks, slower


def printed(rows) -> str:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=240).print(terminal_table(rows))
    return stream.getvalue()


@pytest.fixture
def pair(make_row):
    def make(int8_ms: float, fp32_ms: float = 1.0, **changes):
        fp32 = make_row(precision="fp32", latency_p50_ms=fp32_ms)
        int8 = make_row(precision="int8", latency_p50_ms=int8_ms, scheme="u8s8-pc")
        return [fp32, int8.with_(**changes)]

    return make


def test_int8_that_is_slower_than_fp32_says_so_everywhere(pair, make_info):
    rows = pair(1.4)
    assert remarks(rows)[0] == ""
    assert "int8 is 1.40× as slow as fp32 on this machine" in remarks(rows)[1]
    assert "as slow as fp32" in printed(rows)
    assert "as slow as fp32" in recommend(rows, make_info(reference="student")).verdicts[1].text


@pytest.mark.parametrize("int8_ms", [0.5, 1.0, 1.02])
def test_what_is_as_quick_within_the_noise_says_nothing(pair, int8_ms):
    assert remarks(pair(int8_ms)) == ["", ""]


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "teacher"},
        {"target": "onnxruntime"},
        {"device": "ssh://pi"},
        {"threads": 4},
        {"batch_size": 8},
        {"measured": "failed"},
        {"precision": "fp16"},
    ],
)
def test_only_what_is_alike_is_compared(pair, changes):
    assert remarks(pair(1.4, **changes)) == ["", ""]


def test_what_was_measured_elsewhere_names_the_place(pair, make_info):
    rows = [row.with_(device="ssh://pi") for row in pair(1.4)]
    assert "1.40× as slow as fp32 on ssh://pi" in remarks(rows)[1]
    torch = rows[0].with_(target="torch")
    said = recommend([torch, *rows], make_info(reference="student")).verdicts[0].text
    assert said.startswith("A reference on ssh://pi, not for shipping")


def test_without_fp32_it_is_compared_with_fp16(make_row):
    half = make_row(target="tensorrt", precision="fp16", latency_p50_ms=1.0)
    int8 = make_row(target="tensorrt", precision="int8", latency_p50_ms=2.0)
    assert "2.0× as slow as fp16" in slower(int8, [half, int8])


def test_a_row_for_another_machine_says_that_its_latency_is_this_ones(make_row):
    row = make_row(made_for="arm64")
    assert "Converted for arm64 and measured on this machine" in remarks([row])[0]
    assert remarks([row.with_(device="ssh://pi"), make_row()]) == ["", ""]


def test_a_p90_of_few_queries_says_so(make_row):
    row = make_row(num_queries=63)
    assert remarks([row]) == ["Its p90 is of 63 queries: 64 are the fewest that bound one."]
    assert "of 1 query:" in printed([row.with_(num_queries=1)])
    assert remarks([row.with_(num_queries=64), row.with_(scenario="offline")]) == ["", ""]


def test_the_page_says_why_each_scheme_was_chosen(make_run):
    made = make_run()
    reason = "Arm's dot product multiplies int8 by int8"
    int8 = {"scheme": "s8s8-pc", "scheme_reason": reason, "made_for": "arm64"}
    rows = [row.with_(**int8) if row.precision == "int8" else row for row in made.rows]
    write_results(made.path / "results.jsonl", rows)
    page = write_report(made.path).read_text(encoding="utf-8")
    assert CAPTION in page and "dot product multiplies int8 by int8" in page
    assert "<td>arm64</td>" in page
    write_results(made.path / "results.jsonl", [row.with_(scheme=None) for row in rows])
    assert CAPTION not in write_report(made.path).read_text(encoding="utf-8")
