"""The report shows what was cut: channels by layer, the goal, what was measured, and the zeros."""

from __future__ import annotations

from edgecls.report import write_report
from edgecls.rundir import ModelInfo

COUNTED = {
    "kind": "prune",
    "version": 2,
    "layers": {},
    "channels": {"body.0.conv1": [16, 8], "body.<b>": [64, 48]},
    "importance": "taylor",
    "goal": {"kind": "macs", "limit": 6_250_000.0, "option": "macs_ratio"},
    "before": {"macs": 12_500_000, "params": 78_000, "size": 312_000},
    "after": {"macs": 6_200_000, "params": 40_000, "size": 160_000},
    "measured": [],
}
MEASURED = {
    **COUNTED,
    "goal": {"kind": "latency", "limit": 0.5, "option": "latency_ratio"},
    "measured": [{"ms": 0.21, "uncut_ms": 0.42, "ratio": 0.49, "macs": 5_000_000}],
}
SPARSE = {
    "kind": "sparsify",
    "version": 1,
    "pattern": "2:4",
    "zeros": {"body.0.conv1": [1152, 2304]},
    "compressed_bytes": [300_000, 190_000],
}


def model(method: str, *edits: dict) -> ModelInfo:
    return ModelInfo("student", "resnet8", method, (), {}, 40_000, 6_200_000, 160_000, {}, edits)


def page(make_run, *models: ModelInfo) -> str:
    return write_report(make_run(models=models).path).read_text(encoding="utf-8")


def test_channels_before_and_after_stand_in_a_table(make_run):
    text = page(make_run, model("prune", COUNTED))
    assert 'id="cuts"' in text and "student: channels" in text
    assert "<bdi>" in text or "body.0.conv1" in text
    assert "body.&lt;b&gt;" in text and "body.<b>" not in text
    assert "6,250,000 MACs at most" in text and "ranked by taylor" in text
    assert "(2.0× fewer)" in text


def test_every_measured_cut_is_told(make_run):
    text = page(make_run, model("prune", MEASURED))
    assert "49.0 %" in text.replace("\u00a0", " ")
    assert "Latencies of cuts of student" in text and "0.210 ms" in text.replace("\u00a0", " ")
    assert "at most 0.5 of the uncut net" in text


def test_zeros_come_with_who_gains_from_them(make_run):
    text = page(make_run, model("sparsify", SPARSE))
    assert "sparse kernel" in text and "CPUs multiply them like any number" in text
    assert "1,152" in text


def test_a_cut_of_version_1_and_a_cut_of_the_parent_are_no_trouble(make_run):
    old = {"kind": "prune", "version": 1, "history": [], "channels": {"a": [16, 8]}}
    assert "it is of an older version" in page(make_run, model("prune", old))
    parent = make_run(name="other", models=(model("qat", COUNTED, {"kind": "fake-quantize"}),))
    assert 'id="cuts"' not in write_report(parent.path).read_text(encoding="utf-8")
