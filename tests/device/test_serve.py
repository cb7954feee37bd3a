"""``--serve`` from the inside: whatever is asked, there is one answer."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecls.device import golden, memory, meta
from edgecls.device.scenarios import PHASES
from edgecls.device.serve import Server, run_all, serve


class RuntimesOwnError(Exception):
    """As ONNX Runtime's: a child of Exception and of nothing else."""


class Runner:
    """Gives the golden logits; refuses every shape but its own, as a static graph does."""

    def __init__(self, folder: Path) -> None:
        self.logits = golden.load_array(str(folder / golden.SOURCE))
        self.tensors = np.load(folder / golden.INPUTS)

    def run(self, images: np.ndarray) -> np.ndarray:
        if images.shape[1:] != self.tensors.shape[1:]:
            raise RuntimesOwnError("Got invalid dimensions for input: image")
        return np.stack([self.logits[self._number(image)] for image in images])

    def _number(self, image: np.ndarray) -> int:
        return int(np.argmax((self.tensors == image).all(axis=(1, 2, 3))))

    def about(self) -> dict[str, Any]:
        return {"runtime": "none"}


@pytest.fixture
def server(tiny_bundle: Path) -> Server:
    description = meta.read(str(tiny_bundle))
    return Server(str(tiny_bundle), description, Runner(tiny_bundle), 1.5, baseline_bytes=7)


def ask(server: Server, **request: Any) -> dict[str, Any]:
    return server.answer(json.dumps(request).encode())


def test_hello_tells_what_really_runs(server: Server) -> None:
    hello = ask(server, do="hello")
    assert hello == {
        "ok": True,
        "about": {"runtime": "none"},
        "pid": os.getpid(),
        "load_ms": 1.5,
        "first_inference_ms": server.first_inference_ms,
        "baseline_rss_bytes": 7,
    }


@pytest.mark.parametrize("phase", PHASES)
def test_a_round_gives_every_sample(server: Server, phase: str) -> None:
    answer = ask(server, do="round", phase=phase, queries=11, warmup=2)
    assert answer["ok"]
    assert len(answer["samples_ms"]) == 11
    assert min(answer["samples_ms"]) > 0
    assert (answer["warmup_queries"], answer["settled"], answer["samples_per_query"]) == (
        2,
        True,
        1,
    )
    assert answer["seconds"] * 1e3 >= sum(answer["samples_ms"])


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"scenario": "single-stream"}, 1),
        ({"scenario": "multi-stream"}, 8),
        ({"scenario": "multi-stream", "samples_per_query": 3}, 3),
        ({"scenario": "offline", "samples_per_query": 20}, 20),
        ({"scenario": "server", "qps": 1e4, "seed": 1}, 1),
    ],
)
def test_a_scenario_says_how_many_images_a_query_is(
    server: Server, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], size: int
) -> None:
    asked_of = list[int]()
    run = server.runner.run
    monkeypatch.setattr(server.runner, "run", lambda x: asked_of.append(len(x)) or run(x))
    answer = ask(server, do="round", queries=3, **asked)
    assert (answer["ok"], answer["samples_per_query"]) == (True, size)
    assert asked_of == [size] * 3


def test_a_model_of_a_fixed_batch_is_asked_for_it(server: Server) -> None:
    server.runner.batch = 4
    for asked in ({}, {"scenario": "server", "qps": 1e4}):
        assert ask(server, do="round", **asked)["samples_per_query"] == 4
    assert ask(server, do="round", phase="postprocess")["samples_per_query"] == 1


def test_a_round_settles_before_it_is_measured(server: Server) -> None:
    answer = ask(server, do="round", queries=3, warmup=1, settle=True)
    assert answer["warmup_queries"] >= 1 + 2 * 5
    assert len(answer["samples_ms"]) == 3


def test_a_runner_without_a_profiler_says_so(server: Server) -> None:
    answer = ask(server, do="profile")
    assert (answer["ok"], answer["error"]) == (False, "the kit of none has no profiler")


def test_a_profile_is_the_runners_own(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    operators = [{"name": "conv", "type": "Conv", "ms": 0.5}]
    given = dict[str, Any]()

    def profile(images: np.ndarray, queries: int) -> list[dict[str, Any]]:
        given.update(images=images, queries=queries)
        return operators

    server.runner.batch = 2
    monkeypatch.setattr(server.runner, "profile", profile, raising=False)
    expected = {"ok": True, "operators": operators, "queries": 30, "profiler": "none"}
    assert ask(server, do="profile", queries=30) == expected
    assert given["queries"] == 30
    assert np.array_equal(given["images"], server.tensors[:2])
    assert ask(server, do="profile")["queries"] == 50
    for queries in (0, 1001, "many", True, 1.5):
        assert "'queries' is" in ask(server, do="profile", queries=queries)["error"]


def test_infer_loops_over_images_and_leaves_one_file(server: Server, tmp_path: Path) -> None:
    given, answer = tmp_path / "given.npy", tmp_path / "answer.npy"
    np.save(given, server.tensors[::-1])
    assert ask(server, do="infer", input=str(given), output=str(answer)) == {
        "ok": True,
        "num_images": len(server.tensors),
    }
    assert np.array_equal(np.load(answer), server.runner.logits[::-1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.npy", "given.npy"]


def test_run_all_asks_one_image_at_a_time_and_gives_float32() -> None:
    class Counts:
        def run(self, images: np.ndarray) -> np.ndarray:
            assert len(images) == 1
            return images.reshape(1, -1)[:, :2].astype(np.float64)

    logits = run_all(Counts(), np.arange(24, dtype=np.uint8).reshape(3, 2, 4, 1))
    assert logits.dtype == np.float32
    assert logits.tolist() == [[0, 1], [8, 9], [16, 17]]


def test_a_pickle_is_refused_as_input(server: Server, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return open, (str(tmp_path / "it ran"), "w")

    (tmp_path / "given.npy").write_bytes(pickle.dumps(Bomb()))
    answer = ask(server, do="infer", input=str(tmp_path / "given.npy"), output="answer.npy")
    assert not answer["ok"]
    assert "cannot be read" in answer["error"]
    assert not (tmp_path / "it ran").exists()


def test_verify_predict_evaluate_and_memory_answer(server: Server, digit_images: Path) -> None:
    assert ask(server, do="verify")["ok"]
    image = Path(server.folder) / "golden/000.png"
    (row,) = ask(server, do="predict", images=[str(image)])["predictions"]
    assert row["label"] in server.meta.labels
    assert ask(server, do="evaluate", directory=str(digit_images))["num_images"] == 120
    told = ask(server, do="memory")
    assert 1 << 20 < told["rss_bytes"] == memory.peak_bytes()
    assert told["baseline_rss_bytes"] == 7


def test_what_a_system_does_not_tell_of_memory_is_absent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "peak_bytes", lambda: None)
    server.baseline_bytes = None
    assert ask(server, do="memory") == {"ok": True}
    assert "baseline_rss_bytes" not in ask(server, do="hello")


BAD = [
    (b"\n{", "not a line of JSON"),
    (b"what?", "not a line of JSON: b'what?'"),
    (b"\xff\xfe\x00", "not a line of JSON"),
    (b"[]", "has no 'do'"),
    (b"null", "has no 'do'"),
    (b"{}", "has no 'do'"),
    (b'{"do": "dance"}', "unknown request: 'dance'"),
    (b'{"do": ["hello"]}', "unknown request"),
    (b'{"do": "_handler"}', "unknown request"),
    (b'{"do": "round", "phase": "dreaming"}', "unknown phase: 'dreaming'"),
    (b'{"do": "round", "queries": "many"}', "'queries' is 'many'"),
    (b'{"do": "round", "scenario": "burst"}', "unknown scenario: 'burst'"),
    (b'{"do": "infer"}', "infer has no 'input'"),
    (b'{"do": "infer", "input": "none.npy", "output": "a"}', "none.npy cannot be read"),
    (b'{"do": "evaluate", "directory": "no such folder"}', "no such folder cannot be read"),
]


@pytest.mark.parametrize(("line", "error"), BAD)
def test_a_bad_request_is_answered(server: Server, line: bytes, error: str) -> None:
    answer = server.answer(line)
    assert not answer["ok"]
    assert error in answer["error"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"do": "predict", "image": "a.png"}, "predict has no 'images'"),
        ({"do": "predict", "images": [0]}, "predict has no 'images'"),  # no file descriptor
        ({"do": "infer", "input": 5}, "infer has no 'input'"),
        ({"do": "evaluate"}, "evaluate has no 'directory'"),
    ],
)
def test_a_request_that_lacks_something_says_what(
    server: Server, asked: dict[str, Any], error: str
) -> None:
    answer = ask(server, **asked)
    assert (answer["ok"], answer["error"]) == (False, error) and answer["fix"]


def test_an_unknown_request_is_told_the_valid_ones(server: Server) -> None:
    known = "conditions, evaluate, hello, infer, memory, predict, profile, quit, round, verify"
    assert ask(server, do="dance")["fix"] == "valid: " + known


def test_what_only_the_runtime_knows_to_raise_is_answered(server: Server, tmp_path: Path) -> None:
    np.save(tmp_path / "given.npy", np.zeros((1, 3, 3, 1), np.uint8))
    answer = ask(server, do="infer", input=str(tmp_path / "given.npy"), output="unused")
    assert answer["error"] == "RuntimesOwnError: Got invalid dimensions for input: image"


def test_every_line_gets_one_line_until_quit(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [*(line.strip() for line, _ in BAD), b"", b"  ", b'{"do": "hello"}', b'{"do": "quit"}']
    stdin = io.BytesIO(b"\n".join([*lines, b'{"do": "hello"}']))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
    stdout = io.StringIO()
    assert serve(server, stdout) == 0
    answers = [json.loads(line) for line in stdout.getvalue().splitlines()]
    assert [answer["ok"] for answer in answers] == [False] * len(BAD) + [True, True]
    assert answers[-1]["quit"]


def test_many_samples_are_written_in_parts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = array("d", [1 / (1 + number) for number in range(25_001)])
    answers = {b"round": {"samples_ms": samples, "seconds": 2.0, "ok": True}, b"x": {"ok": True}}
    monkeypatch.setattr(server, "answer", lambda line: answers[line.strip()])
    stdin = io.BytesIO(b"round\nx\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
    parts = list[str]()
    assert serve(server, SimpleNamespace(write=parts.append, flush=lambda: None)) == 0
    first, second = "".join(parts).splitlines()
    assert json.loads(first) == {**answers[b"round"], "samples_ms": samples.tolist()}
    assert json.loads(second) == {"ok": True}
    assert max(map(len, parts)) < 50_000


def test_the_end_of_stdin_ends_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'{"do": "memory"}')))
    stdout = io.StringIO()
    assert serve(server, stdout) == 0
    assert len(stdout.getvalue().splitlines()) == 1
