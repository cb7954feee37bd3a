"""What every bundle's ``infer.py`` promises: one JSON object as the last line, and a status."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecls import hardware
from edgecls.device import meta

PackageBundle = Callable[[str, str], Path]
FakeBundle = Callable[..., Path]
# Target -> the package that converts to it, if it is not one that edgecls itself needs.
CONVERTERS = {"executorch": "executorch", "litert": "litert-torch", "ncnn": "pnnx"}
HERE = [
    "onnxruntime",
    "openvino",
    *(target for target, package in CONVERTERS.items() if hardware.package_version(package)),
]
SHIPPED = [
    pytest.param(
        target,
        marks=pytest.mark.skipif(
            target not in HERE, reason=f"pip install 'edgecls[{target}]' brings its converter"
        ),
    )
    for target in ("onnxruntime", "openvino", *CONVERTERS)
]


def run(
    bundle: Path, *arguments: str | Path, status: int = 0, stdin: str = "", **environment: str
) -> dict[str, Any]:
    """The JSON of a command's last line; what it said on stderr is its ``stderr``."""
    done = subprocess.run(
        [sys.executable, bundle / "infer.py", *arguments],
        input=stdin.encode(),
        capture_output=True,
        env={**os.environ, **environment},
    )
    stderr = done.stderr.decode()
    assert done.returncode == status, stderr
    *_, last = done.stdout.decode().splitlines()
    answer = json.loads(last)
    assert answer["ok"] is (status == 0)
    return {**answer, "stderr": stderr, "lines": len(done.stdout.splitlines())}


def golden_image(bundle: Path) -> Path:
    return bundle / "golden" / "000.png"


@pytest.mark.parametrize("target", [*SHIPPED, "torch"])
def test_verify(package_bundle: PackageBundle, target: str) -> None:
    bundle = package_bundle(target, "fp32")
    found = run(bundle, "--verify")
    assert found["num_images"] == 8
    assert found["preprocess_equal"]
    assert found["source_max_rel_logit_diff"] <= found["source_tolerance"]
    assert found["artifact_max_rel_logit_diff"] <= found["artifact_tolerance"]
    assert found["stderr"] == ""
    assert meta.check(str(bundle), meta.read(str(bundle))) == []


@pytest.mark.parametrize("target", SHIPPED)
def test_serve_answers_every_line(
    package_bundle: PackageBundle, target: str, digit_images: Path
) -> None:
    bundle = package_bundle(target, "fp32")
    requests: list[Any] = [
        {"do": "hello"},
        {"do": "verify"},
        {"do": "round", "queries": 3},
        "no request",
        {"do": "infer", "input": "none", "output": "none"},
        {"do": "evaluate", "directory": str(digit_images)},
        {"do": "predict", "images": [str(golden_image(bundle))]},
        {"do": "profile", "queries": 2},
        {"do": "round", "scenario": "offline", "samples_per_query": 9},
        {"do": "memory"},
        {"do": "quit"},
    ]
    done = subprocess.run(
        [sys.executable, bundle / "infer.py", "--serve", "--threads", "1"],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    profiles = target in ("onnxruntime", "openvino")
    expected = [True] * 3 + [False] * 2 + [True] * 2 + [profiles] + [True] * 3
    assert [answer["ok"] for answer in answers] == expected
    about = answers[0]["about"]
    assert about["runtime"].startswith(meta.read(str(bundle)).target)
    assert about["threads"] == 1
    assert "CPU" in about["provider"]
    assert answers[5]["num_images"] == 120
    assert answers[6]["predictions"][0]["confidence"] > 0.1
    if profiles:
        assert (answers[7]["profiler"], answers[7]["queries"]) == (target, 2)
        assert answers[7]["operators"]
    else:
        assert answers[7]["error"] == f"the kit of {about['runtime'].split()[0]} has no profiler"
    assert answers[8]["samples_per_query"] == 9
    # Before the runtime was imported: it has no part in it.
    assert 1 << 20 < answers[0]["baseline_rss_bytes"] < answers[9]["rss_bytes"]
    assert answers[9]["baseline_rss_bytes"] == answers[0]["baseline_rss_bytes"]


@pytest.mark.parametrize("target", SHIPPED)
def test_eval_bench_and_images(
    package_bundle: PackageBundle, target: str, digit_images: Path, tiny_data: Any
) -> None:
    bundle = package_bundle(target, "fp32")
    found = run(bundle, "--eval", digit_images)
    assert found["num_images"] == sum(len(tiny_data[s][0]) for s in ("train", "validation", "test"))
    assert found["top1_low"] <= found["top1"] <= found["top1_high"]
    found = run(bundle, "--bench", "--seconds", "0", "--queries", "70", "--threads", "1")
    assert found["num_queries"] == 70
    assert found["latency_p50_ms"] <= found["latency_p90_ms"] <= found["latency_p90_ms_bound"]
    assert found["latency_p99_ms_bound"] is None
    assert found["memory_bytes"] == found["rss_bytes"] - found["baseline_rss_bytes"] > 0
    phases = ("decode", "preprocess", "postprocess", "end_to_end")
    assert all(found[f"{phase}_p50_ms"] > 0 for phase in phases)
    assert (found["scenario"], found["samples_per_query"]) == ("single-stream", 1)
    assert isinstance(found["settled"], bool)
    image = golden_image(bundle)
    found = run(bundle, image, image)
    first, second = found["predictions"]
    assert first == second
    assert first["label"] == first["top"][0][0]
    assert first["file"] == str(image)


@pytest.mark.parametrize(
    ("arguments", "size", "least"),
    [
        (["--scenario", "multi-stream", "--queries", "4"], 8, 4),
        (["--scenario", "offline", "--samples", "5"], 5, 1),
        (["--scenario", "server", "--qps", "500", "--queries", "4"], 1, 4),
    ],
)
def test_bench_in_each_scenario(
    fake_bundle: FakeBundle, arguments: list[str], size: int, least: int
) -> None:
    found = run(fake_bundle(), "--bench", "--seconds", "0", *arguments)
    assert (found["scenario"], found["samples_per_query"]) == (arguments[1], size)
    # Of whole lots one is enough before, and there are no windows of them to settle in.
    assert (found["warmup_queries"] == 1) is (found["scenario"] == "offline")
    assert found["num_queries"] == least
    images = size * found["num_queries"]
    assert found["throughput_per_s"] == pytest.approx(images / found["seconds"])


def test_every_kit_answers_an_image_alike(package_bundle: PackageBundle) -> None:
    bundles = [package_bundle(target, "fp32") for target in HERE]
    image = golden_image(bundles[0])
    first, *others = [run(bundle, image)["predictions"][0] for bundle in bundles]
    for answer in others:
        assert answer["label"] == first["label"]
        assert answer["confidence"] == pytest.approx(first["confidence"], rel=1e-4)


def test_an_image_that_cannot_be_read_costs_only_itself(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image")
    paths = [tmp_path / "none.png", golden_image(tiny_bundle), tmp_path / "text.png", tmp_path]
    found = run(tiny_bundle, *paths, status=1)
    errors = [row.get("error", "") for row in found["predictions"]]
    assert "No such file" in errors[0]
    assert errors[1] == ""
    assert "not an image" in errors[2]
    assert "directory" in errors[3]


def test_a_file_name_that_is_not_utf_8_is_answered(tiny_bundle: Path, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path / "caf") + b"\xe9.png"
    try:
        shutil.copyfile(golden_image(tiny_bundle), name)
    except OSError:
        pytest.skip("this file system takes no such name")
    found = run(tiny_bundle, Path(os.fsdecode(name)))
    assert os.fsencode(found["predictions"][0]["file"]) == name


@pytest.mark.parametrize("content", ["nothing", "no labels", "no images"])
def test_a_folder_that_cannot_be_evaluated_is_an_error(
    tiny_bundle: Path, tmp_path: Path, content: str
) -> None:
    if content == "no images":
        (tmp_path / "3").mkdir()
        (tmp_path / "3" / "a.png").write_text("not an image")
    folder = tmp_path / "none" if content == "nothing" else tmp_path
    found = run(tiny_bundle, "--eval", folder, status=1)
    assert str(folder) in found["error"]
    assert "Traceback" not in found["stderr"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to do"),
        (["--dance"], "unrecognized arguments"),
        (["--verify", "--bench"], "not allowed with"),
        (["--verify", "image.png"], "give either images or one of"),
        (["--bench", "--threads", "-1"], "--threads"),
        (["--verify", "--threads", "9999"], "--threads 9999: this device has"),
        (["--bench", "--queries", "0"], "--queries"),
        (["--bench", "--seconds", "nan"], "--seconds"),
        (["--eval"], "expected one argument"),
        (["--bench", "--scenario", "burst"], "invalid choice: 'burst'"),
        (["--bench", "--scenario", "server"], "--scenario server and --qps go together"),
        (["--bench", "--qps", "5"], "--scenario server and --qps go together"),
        (["--bench", "--scenario", "server", "--qps", "nan"], "--qps is a number from"),
        (["--bench", "--scenario", "server", "--qps", "0"], "--qps is a number from"),
        (["--bench", "--samples", "4"], "--samples does nothing in single-stream"),
        (["--bench", "--scenario", "offline", "--samples", "0"], "--samples is at least 1"),
        (["--serve", "--scenario", "offline"], "--scenario is of --bench alone"),
        (["image.png", "--samples", "4"], "--samples is of --bench alone"),
        (["--verify", "--queries", "5"], "--queries is of --bench alone"),
        (["image.png", "--seconds", "2"], "--seconds is of --bench alone"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    fake_bundle: FakeBundle, arguments: Sequence[str], message: str
) -> None:
    found = run(fake_bundle(), *arguments, status=2)
    assert message in found["error"]
    assert "usage: infer.py" in found["stderr"]


def test_an_empty_name_of_a_folder_is_one(fake_bundle: FakeBundle) -> None:
    assert "cannot be read" in run(fake_bundle(), "--eval", "", status=1)["error"]


def test_help_is_on_stdout(tiny_bundle: Path) -> None:
    command = [sys.executable, tiny_bundle / "infer.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    for flag in ("--verify", "--eval", "--bench", "--serve", "IMAGE", "--threads"):
        assert flag in done.stdout


@pytest.mark.parametrize("command", ["--verify", "--serve", "--bench", "image.png"])
def test_nothing_of_a_damaged_bundle_is_loaded(
    bundle_copy: Path, tmp_path: Path, command: str
) -> None:
    data = bytearray((bundle_copy / "model.onnx").read_bytes())
    data[100] ^= 1
    (bundle_copy / "model.onnx").write_bytes(data)
    (tmp_path / "path").mkdir()
    marker = tmp_path / "it was loaded"
    (tmp_path / "path/onnxruntime.py").write_text(f"open({str(marker)!r}, 'w').close()")
    environment = {"PYTHONPATH": str(tmp_path / "path")}
    found = run(bundle_copy, command, status=1, **environment)
    assert found["error"] == "the bundle is damaged: model.onnx has changed"
    assert found["fix"] == "copy it again"
    assert "Traceback" not in found["stderr"]
    assert not marker.exists()


def test_a_damaged_meta_json_is_told(bundle_copy: Path) -> None:
    (bundle_copy / "meta.json").write_text("{")
    found = run(bundle_copy, "--verify", status=1)
    assert "meta.json cannot be read" in found["error"]
    assert "Traceback" not in found["stderr"]


def test_a_bundle_that_answers_otherwise_says_so(bundle_copy: Path) -> None:
    logits = np.load(bundle_copy / "golden/source_logits.npy")
    np.save(bundle_copy / "golden/source_logits.npy", logits[:, ::-1])
    meta.write(str(bundle_copy), meta.read(str(bundle_copy)))
    found = run(bundle_copy, "--verify", status=1)
    assert found["source_max_rel_logit_diff"] > found["source_tolerance"]
    assert found["artifact_max_rel_logit_diff"] <= found["artifact_tolerance"]


def test_what_a_runtime_prints_is_not_on_stdout(fake_bundle: FakeBundle) -> None:
    noise = "print('hello from Python', flush=True); os.write(1, b'hello from C\\n')"
    for command in ("--verify", str(golden_image(fake_bundle(start=noise, run=noise)))):
        found = run(fake_bundle(start=noise, run=noise), command)
        assert found["lines"] == 1
        assert "hello from Python" in found["stderr"]
        assert "hello from C" in found["stderr"]


@pytest.mark.parametrize("command", ["--verify", "--bench", "--serve"])
def test_a_missing_runtime_is_told_with_the_line_that_installs_it(
    tiny_bundle: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "onnxruntime.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'onnxruntime'\", name='onnxruntime')"
    )
    found = run(tiny_bundle, command, status=1, PYTHONPATH=str(tmp_path))
    assert found["error"] == "No module named 'onnxruntime'"
    requirements = tiny_bundle / "requirements.txt"
    assert found["fix"] == f"{sys.executable} -m pip install -r {requirements}"
    assert "onnxruntime" in requirements.read_text()
    assert found["fix"] in found["stderr"]
    assert "Traceback" not in found["stderr"]


@pytest.mark.parametrize("where", ["start", "run"])
def test_what_only_the_runtime_knows_to_raise_is_told(fake_bundle: FakeBundle, where: str) -> None:
    fails = "raise type('Fail', (Exception,), {})('Opset 5 is under development')"
    found = run(fake_bundle(**{where: fails}), "--verify", status=1)
    assert found["error"] == "Fail: Opset 5 is under development"
    assert "Traceback" in found["stderr"]


def test_a_model_that_the_runtime_refuses_is_told(bundle_copy: Path) -> None:
    (bundle_copy / "model.onnx").write_bytes(b"no graph")
    meta.write(str(bundle_copy), meta.read(str(bundle_copy)))
    assert "model.onnx" in run(bundle_copy, "--verify", status=1)["error"]


def test_a_bundle_works_from_anywhere_and_from_a_folder_with_spaces(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(tiny_bundle, tmp_path / "a bundle, moved")
    Image.new("L", (5, 5)).save(tmp_path / "image.png")
    done = subprocess.run(
        [sys.executable, "a bundle, moved/infer.py", "image.png"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert json.loads(done.stdout)["ok"]
    assert meta.check(str(moved), meta.read(str(moved))) == []


def test_nothing_in_the_bundle_is_taken_for_a_package(bundle_copy: Path) -> None:
    (bundle_copy / "numpy.py").write_text("import os; os._exit(77)")
    found = run(bundle_copy, "--verify", status=1)
    assert "numpy.py is not listed" in found["error"]
