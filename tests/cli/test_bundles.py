"""export, quantize, verify, predict and bench, on a checkpoint of real digits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgecls.core import read_results
from edgecls.device.meta import bundle_sha256
from edgecls.errors import ConversionError
from edgecls.targets.onnxruntime import TARGET

BENCH = ("--launches", 1, "--rounds", 1, "--queries", 10, "--seconds", 0)


@pytest.fixture
def image(digit_images) -> Path:
    return digit_images / "3" / "0001.png"


def test_export_verify_and_predict_in_a_row(
    edgecls, quick_export, tiny_checkpoint, image, tmp_path
):
    ended = edgecls("export", tiny_checkpoint, "--target", "onnxruntime")
    bundle = tmp_path / "cwd" / "onnxruntime-fp32"
    assert ended.status == 0 and ended.err.startswith("✓ converting for onnxruntime in fp32 (")
    assert ended.out == f"bundle: onnxruntime-fp32  sha256 {bundle_sha256(str(bundle))}\n"
    verified = edgecls("verify", "onnxruntime-fp32")
    assert verified.status == 0 and json.loads(verified.out)["ok"] is True
    shutil.copyfile(image, tmp_path / "cwd" / "pic.png")
    predicted = edgecls("predict", "onnxruntime-fp32", "pic.png", image)
    assert predicted.status == 0
    first, second = (line.split("\t") for line in predicted.out.splitlines())
    assert first[0] == "pic.png" and second[0] == str(image) and first[1:] == second[1:]
    assert first[1] in "0123456789" and 0 < float(first[2]) <= 1


def test_quantize_is_an_int8_export(edgecls, quick_export, tiny_checkpoint, tmp_path):
    ended = edgecls("quantize", tiny_checkpoint, "--target", "onnxruntime", "--out", "small")
    assert ended.status == 0
    meta = json.loads((tmp_path / "cwd" / "small" / "meta.json").read_text())
    assert meta["precision"] == "int8" and meta["scheme"]["name"].startswith(("u8s8", "s8s8"))
    assert edgecls("verify", "small").status == 0


def test_export_keeps_what_was_there_where_it_fails(
    edgecls, quick_export, tiny_checkpoint, bundle_copy, monkeypatch
):
    before = bundle_sha256(str(bundle_copy))
    given = ("export", tiny_checkpoint, "--target", "onnxruntime", "--out", bundle_copy)
    assert edgecls(*given).status == 2
    with monkeypatch.context() as patch:

        def fail(*_):
            raise ConversionError("this net has a spiral layer", "use another net")

        patch.setattr(TARGET, "convert", fail)
        ended = edgecls(*given, "--force")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "error: this net has a spiral layer\n  fix: use another net\n"
    assert bundle_sha256(str(bundle_copy)) == before
    assert edgecls(*given, "--force").status == 0
    assert sorted(p.name for p in bundle_copy.parent.iterdir()) == ["bundle", "cwd"]


def test_a_bundle_that_was_changed_is_not_started(edgecls, bundle_copy, image):
    (bundle_copy / "model.onnx").write_bytes(b"another model")
    for command in ("verify", "predict", "bench"):
        more = (image,) if command == "predict" else ()
        ended = edgecls(command, bundle_copy, *more)
        assert ended.status == 1 and "model.onnx has changed" in ended.err and not ended.out


def test_an_image_that_cannot_be_read_costs_its_own_line(edgecls, tiny_bundle, image, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    ended = edgecls("predict", tiny_bundle, tmp_path / "text.png", "missing.png", image)
    assert ended.status == 1
    assert [line.split("\t")[0] for line in ended.out.splitlines()] == [str(image)]
    assert "text.png\terror: not an image" in ended.err and "missing.png\terror: " in ended.err


def test_a_file_name_that_is_not_utf8_is_no_reason_to_fail(edgecls, tiny_bundle, image, tmp_path):
    name = tmp_path / b"\xff.png".decode("utf-8", "surrogateescape")
    shutil.copyfile(image, name)
    ended = edgecls("predict", tiny_bundle, name)
    assert ended.status == 0 and "\t" in ended.out


def test_bench_prints_a_table_and_writes_rows(edgecls, tiny_bundle, tmp_path):
    ended = edgecls("bench", tiny_bundle, *BENCH, "--out", "rows.jsonl")
    assert ended.status == 0
    assert "onnxruntime" in ended.out and "ms" in ended.out
    (row,) = read_results(tmp_path / "cwd" / "rows.jsonl")
    assert (row.model, row.target, row.measured) == ("tiny", "onnxruntime", "ok")
    assert row.bundle_sha256 == bundle_sha256(str(tiny_bundle)) and row.num_queries >= 10
    assert row.protocol["queries"] == 10 and row.environment["cpu"]
    assert edgecls("bench", tiny_bundle, *BENCH, "--out", "rows.jsonl", "--force").status == 0


def test_bundles_of_one_name_are_told_apart_by_their_paths(
    edgecls, tiny_bundle, bundle_copy, tmp_path
):
    ended = edgecls("bench", tiny_bundle, bundle_copy, *BENCH, "--out", "rows.jsonl")
    assert ended.status == 0
    found = read_results(tmp_path / "cwd" / "rows.jsonl")
    assert [row.model for row in found] == [f"tiny ({tiny_bundle})", f"tiny ({bundle_copy})"]
    ended = edgecls("bench", tiny_bundle, tiny_bundle, *BENCH)
    assert ended.status == 2 and f"{tiny_bundle} is given twice" in ended.err and not ended.out


def test_a_bundle_that_fails_under_loadgen_is_told_and_ends_with_1(
    edgecls, tiny_bundle, monkeypatch
):
    from edgecls.errors import RunnerError

    def fails(*_):
        raise RunnerError("it ended with 1: ValueError: oh")

    monkeypatch.setattr("edgecls.bench.loadgen.check", lambda: None)
    monkeypatch.setattr("edgecls.bench.loadgen.run", fails)
    ended = edgecls("bench", tiny_bundle, *BENCH, "--loadgen", "logs")
    assert ended.status == 1 and "onnxruntime" in ended.out
    assert "LoadGen failed: it ended with 1: ValueError: oh" in ended.err


def test_bench_says_which_bundle_fell_out(edgecls, tiny_bundle, monkeypatch):
    from edgecls.bench.protocol import Samples

    crashed = Samples(error="tiny ended with signal SIGSEGV", fix="")
    monkeypatch.setattr("edgecls.pipeline.benching.measure", lambda *_: [crashed])
    ended = edgecls("bench", tiny_bundle, *BENCH)
    assert ended.status == 1 and "ended with signal SIGSEGV" in ended.err
    assert "onnxruntime" in ended.out
