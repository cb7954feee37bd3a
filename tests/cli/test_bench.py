"""``edgecls bench --out``: its rows, and the side files by which `edgecls compare` tests them."""

from __future__ import annotations

import pytest

from edgecls.core import read_results
from edgecls.rundir import read_arrays

QUICK = ("--launches", 3, "--rounds", 1, "--queries", 10, "--seconds", 0)


@pytest.mark.parametrize(
    ("images", "tested", "warned"),
    [
        (20, "accuracy 1, latency 1", ""),
        (
            0,
            "accuracy 0, latency 1",
            "warning: accuracy: none of 1 row could be tested:"
            " neither run has an accuracy on test\n",
        ),
    ],
)
def test_compare_tests_two_files_of_bench(
    edgecls, tiny_bundle, digit_images, images, tested, warned
):
    asked = ("--data", digit_images, "--images", images) if images else ()
    for name in ("old.jsonl", "new.jsonl"):
        assert edgecls("bench", tiny_bundle, *QUICK, *asked, "--out", name).status == 0
    ended = edgecls("compare", "old.jsonl", "new.jsonl", "--max-slower", "10000%")
    assert (ended.status, ended.err) == (0, warned)
    assert f"tested of 1 row that both have measured: {tested}" in ended.out


def test_every_latency_and_answer_is_kept_beside_the_rows(
    edgecls, tiny_bundle, digit_images, tmp_path
):
    asked = ("--data", digit_images, "--images", 20)
    assert edgecls("bench", tiny_bundle, *QUICK, *asked, "--out", "rows.jsonl").status == 0
    folder = tmp_path / "cwd"
    (row,) = read_results(folder / "rows.jsonl")
    timed = read_arrays(folder, row.files["latencies"])
    assert len(timed["latency_ms"]) == row.num_queries and set(timed["launch"]) == {0, 1, 2}
    told = read_arrays(folder, row.files["predictions"])
    assert (told["test_predicted"] == told["test_classes"]).mean() == row.top1
    assert told["num_classes"] == 10 and told["test_images"].shape == (20, 32)


def test_a_row_that_fell_out_keeps_no_files(edgecls, tiny_bundle, monkeypatch, tmp_path):
    from edgecls.bench.protocol import Samples

    crashed = Samples(error="tiny ended with signal SIGSEGV", fix="")
    monkeypatch.setattr("edgecls.pipeline.benching.measure", lambda *_: [crashed])
    assert edgecls("bench", tiny_bundle, *QUICK, "--out", "rows.jsonl").status == 1
    (row,) = read_results(tmp_path / "cwd" / "rows.jsonl")
    assert not row.files and not (tmp_path / "cwd" / "files").exists()


def test_a_place_without_room_for_the_files_is_refused_before_anything_is_measured(
    edgecls, tiny_bundle, tmp_path
):
    ended = edgecls("bench", tiny_bundle, "--out", "files")
    assert ended.status == 2 and "files is where side files go" in ended.err
    (tmp_path / "cwd" / "files").write_text("mine")
    ended = edgecls("bench", tiny_bundle, "--out", "rows.jsonl")
    assert ended.status == 2 and "is not a folder" in ended.err


def test_how_many_images_an_accuracy_is_of_is_told(edgecls, tiny_bundle, digit_images, tmp_path):
    folder = tmp_path / "mixed" / "3"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes((digit_images / "3" / "0001.png").read_bytes())
    (folder / "b.png").write_bytes(b"no image")
    ended = edgecls("bench", tiny_bundle, *QUICK, "--data", folder.parent)
    assert ended.status == 0
    assert "accuracy on 2 images of " in ended.err
    assert "onnxruntime fp32 on host: 1 of 2 images cannot be read there" in ended.err
