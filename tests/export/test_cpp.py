"""edgecls-infer keeps the contract of every bundle's infer.py, with the real runtimes."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecls.device import energy, golden, meta

PackageBundle = Callable[[str, str], Path]
Infer = Callable[..., dict[str, Any]]
HEADER = "onnxruntime_cxx_api.h"


def told(
    command: Sequence[str | Path], status: int = 0, stdin: str = "", cwd: Path | None = None
) -> dict[str, Any]:
    """The JSON of a command's last line; what it said on stderr is its ``stderr``."""
    done = subprocess.run(command, input=stdin.encode(), capture_output=True, cwd=cwd)
    stderr = done.stderr.decode()
    assert done.returncode == status, stderr
    *_, last = done.stdout.decode().splitlines()
    answer = json.loads(last)
    assert answer["ok"] is (status == 0)
    return {**answer, "stderr": stderr, "lines": len(done.stdout.splitlines())}


@pytest.fixture(scope="session")
def infer(openvino_build: Path) -> Infer:
    """Run edgecls-infer for OpenVINO."""
    return lambda *words, **more: told([openvino_build / "edgecls-infer", *words], **more)


@pytest.fixture(scope="session")
def openvino_bundle(package_bundle: PackageBundle) -> Path:
    return package_bundle("openvino", "fp32")


@pytest.fixture
def copy(openvino_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(openvino_bundle, tmp_path / "bundle")


def in_python(bundle: Path, *words: str | Path) -> dict[str, Any]:
    return told([sys.executable, bundle / "infer.py", *words])


def without_noise(answer: dict[str, Any]) -> dict[str, Any]:
    """Logits differ by kernels' order of summation, and so do the last digits of a confidence."""
    return {k: v for k, v in answer.items() if k not in ("stderr", "lines")}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_it_proves_a_bundle_as_the_python_kit_does(
    infer: Infer, package_bundle: PackageBundle, precision: str
) -> None:
    bundle = package_bundle("openvino", precision)
    found, expected = infer(bundle, "--verify", "--threads", "1"), in_python(bundle, "--verify")
    assert found["preprocess_equal"] is True
    assert list(without_noise(found)) == list(without_noise(expected))
    for name in ("num_images", "source_tolerance", "source_top1_agreement", "artifact_tolerance"):
        assert found[name] == expected[name]
    for name in ("source_max_rel_logit_diff", "artifact_max_rel_logit_diff"):
        assert found[name] == pytest.approx(expected[name], rel=0.01, abs=1e-5)
    assert meta.check(str(bundle), meta.read(str(bundle))) == []


def test_images_and_folders_are_classified_as_in_python(
    infer: Infer, openvino_bundle: Path, digit_images: Path
) -> None:
    images = sorted(digit_images.rglob("*.png"))[::10]
    found, expected = infer(openvino_bundle, *images), in_python(openvino_bundle, *images)
    for row, other in zip(found["predictions"], expected["predictions"], strict=True):
        assert (row["file"], row["label"]) == (other["file"], other["label"])
        assert row["rejected"] == other["rejected"]
        assert [label for label, _ in row["top"]][:2] == [label for label, _ in other["top"]][:2]
        assert row["confidence"] == pytest.approx(other["confidence"], rel=1e-4)
    found = infer(openvino_bundle, "--eval", digit_images)
    expected = in_python(openvino_bundle, "--eval", digit_images)
    assert without_noise(found) == without_noise(expected)
    assert found["num_images"] == 120


def test_bench_tells_percentiles_with_their_bounds(infer: Infer, openvino_bundle: Path) -> None:
    found = infer(openvino_bundle, "--bench", "--seconds", "0", "--queries", "70", "--threads=1")
    assert (found["num_queries"], found["scenario"], found["samples_per_query"]) == (
        70, "single-stream", 1,
    )  # fmt: skip
    assert found["latency_p50_ms"] <= found["latency_p90_ms"] <= found["latency_p90_ms_bound"]
    assert found["latency_p99_ms_bound"] is None
    for phase in ("decode", "preprocess", "postprocess", "end_to_end"):
        assert found[phase + "_p50_ms"] > 0
    assert 0 < found["baseline_rss_bytes"] < found["rss_bytes"]
    assert found["memory_bytes"] == found["rss_bytes"] - found["baseline_rss_bytes"]
    assert found["warmup_queries"] >= 30 and isinstance(found["settled"], bool)
    about = found["about"]
    assert about["runtime"].startswith("openvino ")
    assert (about["provider"], about["precision"]) == ("CPU", "f32")
    assert (about["threads"], about["batch"]) == (1, 1)


@pytest.mark.parametrize(
    ("words", "size", "queries"),
    [
        (["--scenario", "multi-stream", "--queries", "3"], 8, 3),
        (["--scenario=offline", "--samples=32"], 32, 1),
        (["--scenario", "server", "--qps", "500", "--queries", "5"], 1, 5),
    ],
)
def test_bench_asks_in_the_scenario_that_is_named(
    infer: Infer, openvino_bundle: Path, words: Sequence[str], size: int, queries: int
) -> None:
    found = infer(openvino_bundle, "--bench", "--seconds", "0", "--threads", "1", *words)
    assert found["scenario"] in " ".join(words)
    assert (found["samples_per_query"], found["num_queries"]) == (size, queries)
    assert (found["warmup_queries"] == 1) is (found["scenario"] == "offline")
    assert found["throughput_per_s"] == pytest.approx(size * queries / found["seconds"])


def test_serve_answers_every_line(
    infer: Infer, openvino_build: Path, openvino_bundle: Path, digit_images: Path, tmp_path: Path
) -> None:
    tensors = golden.inputs(str(openvino_bundle), meta.read(str(openvino_bundle)))
    np.save(tmp_path / "in.npy", tensors[:3])
    requests: list[Any] = [
        {"do": "hello"},
        {"do": "verify"},
        {"do": "round", "queries": 3},
        {"do": "round", "phase": "end_to_end", "queries": 2, "warmup": 1},
        {"do": "infer", "input": str(tmp_path / "in.npy"), "output": str(tmp_path / "out.npy")},
        {"do": "evaluate", "directory": str(digit_images)},
        {"do": "predict", "images": [str(openvino_bundle / "golden" / "000.png")]},
        {"do": "memory"},
        {"do": "conditions"},
        "no request",
        {"do": "dance"},
        {"do": "round", "phase": "sleep"},
        {"do": "round", "scenario": "burst"},
        {"do": "round", "queries": "many"},
        {"do": "infer", "input": "none", "output": "none"},
        {"do": "infer", "input": str(tmp_path / "in.npy"), "output": str(tmp_path / "no" / "o")},
        {"do": "predict"},
        {"do": "quit"},
        {"do": "hello"},
    ]
    done = subprocess.run(
        [openvino_build / "edgecls-infer", openvino_bundle, "--serve", "--threads", "1"],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["ok"] for answer in answers] == [True] * 9 + [False] * 8 + [True]
    assert [len(answers[i]["samples_ms"]) for i in (2, 3)] == [3, 2]
    assert answers[5]["num_images"] == 120
    assert answers[6]["predictions"][0]["confidence"] > 0.1
    assert "unknown request: 'dance'" in answers[10]["error"]
    assert answers[10]["fix"].startswith("valid: conditions, evaluate, hello")
    reference = np.load(openvino_bundle / golden.ARTIFACT)[:3]
    assert golden.max_relative_difference(np.load(tmp_path / "out.npy"), reference) < 1e-3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "out.npy"]


def test_its_requests_are_those_of_the_harness(openvino_build: Path, openvino_bundle: Path) -> None:
    from edgecls.device.serve import Server

    harness = {name[3:] for name in dir(Server) if name.startswith("do_")}
    done = told(
        [openvino_build / "edgecls-infer", openvino_bundle, "--serve"],
        stdin='{"do": "quit"}\n',
    )
    assert done["ok"]
    command = [openvino_build / "edgecls-infer", openvino_bundle, "--serve"]
    answer = subprocess.run(command, input=b'{"do": "x"}\n', capture_output=True).stdout
    assert set(json.loads(answer)["fix"].removeprefix("valid: ").split(", ")) == harness


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the folder"),
        (["BUNDLE"], "nothing to do"),
        (["BUNDLE", "--dance"], "unrecognized arguments"),
        (["BUNDLE", "--verify", "--bench"], "not allowed with"),
        (["BUNDLE", "--verify", "image.png"], "give either images or one of"),
        (["BUNDLE", "--verify=yes"], "takes no value"),
        (["BUNDLE", "--bench", "--threads", "-1"], "--threads"),
        (["BUNDLE", "--verify", "--threads", "9999"], "--threads 9999: this device has"),
        (["BUNDLE", "--bench", "--threads", "two"], "--threads"),
        (["BUNDLE", "--bench", "--queries", "0"], "--queries"),
        (["BUNDLE", "--bench", "--queries", "1.5"], "--queries"),
        (["BUNDLE", "--bench", "--seconds", "nan"], "--seconds"),
        (["BUNDLE", "--eval"], "expected one argument"),
        (["BUNDLE", "--bench", "--scenario", "burst"], "invalid choice: 'burst'"),
        (["BUNDLE", "--bench", "--scenario", "server"], "--qps go together"),
        (["BUNDLE", "--bench", "--qps", "5"], "--qps go together"),
        (["BUNDLE", "--bench", "--scenario", "server", "--qps", "0"], "--qps is a number from"),
        (["BUNDLE", "--bench", "--samples", "8"], "does nothing in single-stream"),
        (["BUNDLE", "--verify", "--scenario", "offline"], "--scenario is of --bench alone"),
        (["BUNDLE", "--verify", "--queries", "5"], "--queries is of --bench alone"),
        (["BUNDLE", "image.png", "--seconds", "2"], "--seconds is of --bench alone"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    infer: Infer, arguments: Sequence[str], message: str
) -> None:
    found = infer(*arguments, status=2)
    assert message in found["error"]
    assert "usage: edgecls-infer" in found["stderr"]


def test_help_is_on_stdout(openvino_build: Path) -> None:
    done = subprocess.run(
        [openvino_build / "edgecls-infer", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    for flag in ("--verify", "--eval", "--bench", "--serve", "--prepare", "IMAGE", "--threads"):
        assert flag in done.stdout


def test_there_is_nothing_to_prepare_for_openvino(infer: Infer, openvino_bundle: Path) -> None:
    assert without_noise(infer(openvino_bundle, "--prepare")) == {"ok": True}


def test_nothing_of_a_damaged_bundle_is_loaded(infer: Infer, copy: Path) -> None:
    data = bytearray((copy / "model.bin").read_bytes())
    data[100] ^= 1
    (copy / "model.bin").write_bytes(data)
    found = infer(copy, "--verify", status=1)
    assert found["error"] == "the bundle is damaged: model.bin has changed"
    assert found["fix"] == "copy it again"
    assert found["fix"] in found["stderr"]


def test_a_bundle_of_another_kit_is_told(
    infer: Infer, package_bundle: PackageBundle, tmp_path: Path
) -> None:
    found = infer(package_bundle("onnxruntime", "fp32"), "--verify", status=1)
    assert "runs openvino bundles, and this is one for onnxruntime" in found["error"]
    assert "-DEDGECLS_BACKEND=onnxruntime" in found["fix"]
    assert "is not a bundle" in infer(tmp_path, "--verify", status=1)["error"]


def test_a_bundle_that_answers_otherwise_says_so(infer: Infer, copy: Path) -> None:
    logits = np.load(copy / golden.SOURCE)
    np.save(copy / golden.SOURCE, np.ascontiguousarray(logits[:, ::-1]))
    meta.write(str(copy), meta.read(str(copy)))
    found = infer(copy, "--verify", status=1)
    assert found["source_max_rel_logit_diff"] > found["source_tolerance"]
    assert found["artifact_max_rel_logit_diff"] <= found["artifact_tolerance"]
    np.save(copy / golden.SOURCE, np.full_like(logits, np.nan))
    meta.write(str(copy), meta.read(str(copy)))
    assert infer(copy, "--verify", status=1)["source_max_rel_logit_diff"] is None


def test_a_model_that_the_runtime_refuses_is_told(infer: Infer, copy: Path) -> None:
    (copy / "model.xml").write_text("<no graph>")
    meta.write(str(copy), meta.read(str(copy)))
    found = infer(copy, "--verify", status=1)
    assert found["error"] and found["lines"] == 1


def test_a_model_of_another_size_is_refused_before_it_reads_beyond_an_image(
    infer: Infer, copy: Path
) -> None:
    description = json.loads((copy / "meta.json").read_text())
    description["input_shape"] = [1, 16, 16, 1]
    description["preprocess"]["size"] = [16, 16]
    tensors = np.load(copy / golden.INPUTS)
    np.save(copy / golden.INPUTS, np.ascontiguousarray(tensors[:, :16, :16]))
    (copy / "meta.json").write_text(json.dumps(description))
    meta.write(str(copy), meta.read(str(copy)))
    found = infer(copy, "--verify", status=1)
    assert "takes no uint8[N, H, W, C] of the bundle's size" in found["error"]


def test_an_image_that_cannot_be_read_costs_only_itself(
    infer: Infer, openvino_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("not an image")
    good = openvino_bundle / "golden" / "000.png"
    found = infer(
        openvino_bundle, tmp_path / "none.png", good, tmp_path / "text.png", tmp_path, status=1
    )
    errors = [row.get("error", "") for row in found["predictions"]]
    assert "No such file" in errors[0]
    assert errors[1] == ""
    assert "not an image" in errors[2]
    assert "directory" in errors[3]


def test_a_file_name_that_is_not_utf_8_is_answered(
    infer: Infer, openvino_build: Path, openvino_bundle: Path, tmp_path: Path
) -> None:
    name = os.fsencode(tmp_path / "caf") + b"\xe9.png"
    try:
        shutil.copyfile(openvino_bundle / "golden" / "000.png", name)
    except OSError:
        pytest.skip("this file system takes no such name")
    found = infer(openvino_bundle, os.fsdecode(name))
    assert os.fsencode(found["predictions"][0]["file"]) == name
    asked = json.dumps({"do": "predict", "images": [os.fsdecode(name)]}) + "\n"
    assert told([openvino_build / "edgecls-infer", openvino_bundle, "--serve"], stdin=asked)["ok"]


PHASES = ("decode", "preprocess", "postprocess", "end_to_end")
LONG = {"do": "round", "seconds": 0.1, "settle": True}
REFUSED = [
    {"do": "round", "phase": "sleep"},
    {"do": "round", "scenario": "burst"},
    {"do": "round", "phase": "decode", "scenario": "offline"},
    {"do": "round", "scenario": "server"},
    {"do": "round", "scenario": "multi-stream", "samples_per_query": 0},
    {"do": "round", "queries": "many"},
    {"do": "round", "settle": 1},
    {"do": "round", "seed": -1},
    {"do": "profile", "queries": 0},
    {"do": "profile", "queries": "all"},
]


def test_a_host_measures_it_as_any_runner(
    openvino_build: Path, openvino_bundle: Path, tmp_path: Path
) -> None:
    """A kit in another language is one more executable to who speaks --serve."""
    requests = [
        {"do": "hello"},
        {"do": "round", "phase": "inference", "queries": 5, "seconds": 0.0, "warmup": 3},
        LONG,
        *({"do": "round", "phase": phase, "queries": 5, "warmup": 2} for phase in PHASES),
        {"do": "round", "scenario": "multi-stream", "queries": 2, "samples_per_query": None},
        {"do": "round", "scenario": "server", "queries": 2, "qps": 100},
        {"do": "profile", "queries": 2},
        {"do": "memory"},
    ]
    python = [sys.executable, openvino_bundle / "infer.py"]
    native = [openvino_build / "edgecls-infer", openvino_bundle]
    shapes, refusals = [], []
    for command in (python, native):
        done = subprocess.run(
            [*command, "--serve", "--threads", "1"],
            input="".join(json.dumps(request) + "\n" for request in [*requests, *REFUSED]),
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        for index, answer in enumerate(answers):
            # A round may be too short for the kernel's clock, but not the one of some time.
            load = answer.pop("load", None)
            if requests[index : index + 1] == [LONG] and Path("/proc/stat").exists():
                assert set(load) == {"others", "steal", "runnable"}
        shapes.append(
            [{k: type(v) for k, v in answer.items()} for answer in answers if answer["ok"]]
        )
        refusals.append([answer for answer in answers if not answer["ok"]])
    assert len(shapes[0]) == len(requests)
    for harness, cpp in zip(*shapes, strict=True):
        assert harness.items() <= cpp.items()
    assert len(refusals[0]) == len(REFUSED)
    assert refusals[0] == refusals[1]


def asked(program: Path, bundle: Path, *requests: dict[str, Any], **more: Any) -> list[Any]:
    done = subprocess.run(
        [program, bundle, "--serve", "--threads", "1"],
        input="".join(json.dumps(request) + "\n" for request in requests).encode(),
        capture_output=True,
        **more,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_query_is_as_large_as_its_scenario_says(
    openvino_build: Path, openvino_bundle: Path
) -> None:
    program = openvino_build / "edgecls-infer"
    answers = asked(
        program,
        openvino_bundle,
        {"do": "round", "scenario": None, "queries": 4, "warmup": 3},
        {"do": "round", "scenario": "multi-stream", "queries": 2},
        {"do": "round", "scenario": "multi-stream", "samples_per_query": 3, "queries": 2},
        {"do": "round", "scenario": "offline"},
        {"do": "round", "scenario": "server", "qps": 200, "queries": 6, "seed": 1},
        {"do": "round", "settle": True, "warmup": 2, "queries": 2},
    )
    sizes = [(each["samples_per_query"], len(each["samples_ms"])) for each in answers]
    assert sizes == [(1, 4), (8, 2), (3, 2), (256, 1), (1, 6), (1, 2)]
    assert [each["warmup_queries"] for each in answers[:5]] == [3, 0, 0, 0, 0]
    assert all(each["settled"] is True for each in answers[:5])
    assert answers[5]["warmup_queries"] >= 2 + 2 * 5  # two windows at least
    assert all(sum(each["samples_ms"]) <= 1e3 * each["seconds"] for each in answers[:4])
    # The last query arrives no earlier than drawn, whatever the machine does.
    draw = random.Random(1)
    assert answers[4]["seconds"] >= sum(draw.expovariate(200) for _ in range(6))


def test_a_servers_queries_wait_in_their_queue(openvino_build: Path, openvino_bundle: Path) -> None:
    """All arrive at once: each has waited for those before it."""
    request = {"do": "round", "scenario": "server", "qps": 1e6, "queries": 20}
    (answer,) = asked(openvino_build / "edgecls-infer", openvino_bundle, request)
    assert answer["samples_ms"] == sorted(answer["samples_ms"])


def test_samples_are_no_memory_of_the_model(openvino_build: Path, openvino_bundle: Path) -> None:
    """Eight bytes each, some more while they become more, and never the text of all."""
    queries = 400_000
    many = {"do": "round", "phase": "postprocess", "queries": queries}
    memory = {"do": "memory"}
    before, answer, after = asked(
        openvino_build / "edgecls-infer", openvino_bundle, memory, many, memory
    )
    assert len(answer["samples_ms"]) == queries and answer["samples_ms"][-1] > 0
    assert after["rss_bytes"] - before["rss_bytes"] < 24 * queries


def test_operators_are_told_by_openvinos_own_profiler(
    openvino_build: Path, openvino_bundle: Path
) -> None:
    (answer,) = asked(
        openvino_build / "edgecls-infer", openvino_bundle, {"do": "profile", "queries": 3}
    )
    assert (answer["profiler"], answer["queries"]) == ("openvino", 3)
    names = [each["name"] for each in answer["operators"]]
    assert len(names) == len(set(names)) > 2
    assert any(each["type"] == "Convolution" for each in answer["operators"])
    assert sum(each["ms"] for each in answer["operators"]) > 0


def test_a_jetsons_energy_is_power_by_time(
    openvino_build: Path, openvino_bundle: Path, tmp_path: Path
) -> None:
    script = f"echo $$ >>{tmp_path}/pids\nwhile :; do echo VDD_IN 5000mW/1mW; sleep 0.01; done\n"
    (answer,) = asked(
        openvino_build / "edgecls-infer",
        openvino_bundle,
        {"do": "round", "seconds": 0.5},
        env=with_tegrastats(tmp_path, script),
    )
    joules = pytest.approx(5.0 * answer["seconds"])
    assert answer["energy"] == {"joules": joules, "source": "tegrastats"}
    (pid,) = (tmp_path / "pids").read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends it")
def test_a_tegrastats_ends_with_a_runner_that_is_killed(
    openvino_build: Path, openvino_bundle: Path, tmp_path: Path
) -> None:
    script = f"echo $$ >{tmp_path}/pid.part\nmv {tmp_path}/pid.part {tmp_path}/pid\n"
    command = [openvino_build / "edgecls-infer", openvino_bundle, "--serve", "--threads", "1"]
    env = with_tegrastats(tmp_path, script + "exec sleep 60\n")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    ) as runner:
        assert runner.stdin is not None
        runner.stdin.write(b'{"do": "round", "seconds": 60}\n')
        runner.stdin.flush()
        assert comes_about((tmp_path / "pid").exists)
        runner.kill()
    pid = (tmp_path / "pid").read_text().strip()
    assert comes_about(lambda: has_ended(pid))


def with_tegrastats(folder: Path, script: str) -> dict[str, str]:
    """An environment whose tegrastats is this script. Skips where other counters go before it."""
    if energy.Rapl().tells:
        pytest.skip("this machine has counters of its own")
    (folder / "tegrastats").write_text("#!/bin/sh\n" + script)
    (folder / "tegrastats").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def comes_about(what: Callable[[], bool]) -> bool:
    for _ in range(1000):
        if what():
            return True
        time.sleep(0.01)
    return False


def has_ended(pid: str) -> bool:
    """Whether a process has; one that nobody waited for too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


@pytest.fixture(scope="session")
def onnxruntime_build(build_cpp: Callable[..., Path], tmp_path_factory: Any) -> Path:
    """edgecls-infer for the wheel's library; its headers are in no wheel."""
    named = os.environ.get("ONNXRUNTIME_INCLUDE_DIR", "")
    places = [Path(named)] if named else []
    places += [Path(root) / "include" / "onnxruntime" for root in ("/usr", "/usr/local")]
    headers = next((place for place in places if (place / HEADER).is_file()), None)
    if headers is None:
        pytest.skip("no headers of ONNX Runtime: apt install libonnxruntime-dev (Debian 13), or "
                    "name their folder in ONNXRUNTIME_INCLUDE_DIR")  # fmt: skip
    found = importlib.util.find_spec("onnxruntime")
    assert found is not None and found.origin is not None
    library = max(Path(found.origin).parent.glob("capi/libonnxruntime.so.1.*"), default=None)
    if library is None:
        pytest.skip("this onnxruntime has no shared library of its own")
    place = tmp_path_factory.mktemp("onnxruntime")
    (place / "libonnxruntime.so.1").symlink_to(library)  # the name that it goes by
    (place / "libonnxruntime.so").symlink_to(library)
    options = {
        "EDGECLS_BACKEND": "onnxruntime",
        "ONNXRUNTIME_INCLUDE_DIR": str(headers),
        "ONNXRUNTIME_LIBRARY": str(place / "libonnxruntime.so"),
    }
    return build_cpp("onnxruntime-build", options)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_onnxruntime_proves_its_bundle(
    onnxruntime_build: Path, package_bundle: PackageBundle, precision: str
) -> None:
    bundle = package_bundle("onnxruntime", precision)
    program = onnxruntime_build / "edgecls-infer"
    found = told([program, bundle, "--verify", "--threads", "1"])
    assert found["preprocess_equal"] is True
    assert found["artifact_max_rel_logit_diff"] <= 1e-4
    (profile,) = asked(program, bundle, {"do": "profile", "queries": 3})
    assert (profile["profiler"], profile["queries"]) == ("onnxruntime", 3)
    assert len(profile["operators"]) > 2 and all(each["type"] for each in profile["operators"])
    about = told([program, bundle, "--bench", "--seconds=0", "--queries=3"])["about"]
    assert about["runtime"].startswith("onnxruntime 1.")
    assert about["provider"] == "CPUExecutionProvider"
