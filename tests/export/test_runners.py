"""The runners themselves, in this process: an answer is its caller's, and a profile is true."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecls import hardware, kits
from edgecls.device import golden, meta

PackageBundle = Callable[[str, str], Path]
Load = Callable[[Path], ModuleType]
HERE = [
    pytest.param(
        target, marks=pytest.mark.skipif(not hardware.package_version(package), reason=why)
    )
    for target, package in (
        ("onnxruntime", "onnxruntime"),
        ("openvino", "openvino"),
        ("litert", "litert-torch"),
        ("ncnn", "pnnx"),
        ("executorch", "executorch"),
    )
    for why in [f"pip install 'edgecls[{target}]' brings its converter"]
]
PROFILERS = ["onnxruntime", "openvino"]
# ExecuTorch says so of what it has in Python.
pytestmark = pytest.mark.filterwarnings("ignore:This API is experimental")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """A kit's ``infer.py`` as a module, with the harness that lies beside it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def kit(bundle: Path) -> ModuleType:
        forget()
        sys.path.insert(0, str(bundle))
        spec = spec_from_file_location("kit_infer", bundle / "infer.py")
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield kit
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "harness"]:
        del sys.modules[name]


def started(load: Load, bundle: Path) -> tuple[Any, np.ndarray]:
    """A runner, and the golden tensors."""
    description = meta.read(str(bundle))
    runner = load(bundle).Runner(str(bundle), description, 1)
    return runner, golden.inputs(str(bundle), description)


@pytest.mark.parametrize("target", HERE)
def test_an_answer_is_its_callers_and_no_later_one_changes_it(
    package_bundle: PackageBundle, load: Load, target: str
) -> None:
    runner, tensors = started(load, package_bundle(target, "fp32"))
    given = tensors.copy()
    answers = [runner.run(given[index : index + 1]) for index in range(len(given))]
    kept = [answer.copy() for answer in answers]
    given[:] = 255 - given
    again = [runner.run(given[index : index + 1]) for index in range(len(given))]
    for index, (answer, before, other) in enumerate(zip(answers, kept, again, strict=True)):
        assert np.array_equal(answer, before), index
        assert not np.array_equal(answer, other), index
    # What it was asked last is not what it answers next.
    assert np.array_equal(runner.run(tensors[:1]), kept[0])


@pytest.mark.parametrize("target", HERE)
def test_images_may_lie_in_memory_as_they_like(
    package_bundle: PackageBundle, load: Load, target: str
) -> None:
    runner, tensors = started(load, package_bundle(target, "fp32"))
    expected = runner.run(tensors[:1])
    fixed = tensors[:1].copy()
    fixed.flags.writeable = False
    turned = np.ascontiguousarray(tensors[:1].transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    assert not turned.flags.c_contiguous
    for images in (fixed, turned):
        np.testing.assert_array_equal(runner.run(images), expected)


@pytest.mark.parametrize("target", HERE)
def test_many_images_at_once_are_answered_as_one_by_one(
    package_bundle: PackageBundle, load: Load, target: str
) -> None:
    runner, tensors = started(load, package_bundle(target, "fp32"))
    single = np.concatenate([runner.run(image[None]) for image in tensors])
    np.testing.assert_array_equal(runner.run(tensors), single)


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_an_image_of_another_size_is_refused_and_not_stretched(
    package_bundle: PackageBundle, load: Load, target: str
) -> None:
    runner, tensors = started(load, package_bundle(target, "fp32"))
    expected = runner.run(tensors[:1])
    for images in (tensors[:1, :1, :1], tensors[:1, :-1]):
        with pytest.raises(Exception, match=r"(?i)images are \[|invalid dimensions"):
            runner.run(images)
    np.testing.assert_array_equal(runner.run(tensors[:1]), expected)


@pytest.mark.parametrize("target", PROFILERS)
def test_a_profile_has_every_operator_and_leaves_nothing(
    package_bundle: PackageBundle,
    load: Load,
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = package_bundle(target, "fp32")
    runner, tensors = started(load, bundle)
    expected = runner.run(tensors[:1])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = runner.profile(tensors[:1], 12)
    assert list(tmp_path.iterdir()) == []
    assert meta.check(str(bundle), meta.read(str(bundle))) == []
    assert all(set(each) == {"name", "type", "ms"} for each in found)
    assert all(0 <= each["ms"] < 1e4 for each in found)
    kinds = [each["type"] for each in found]
    convolutions = [kind for kind in kinds if "Conv" in kind]
    assert convolutions
    # In the order of execution: the classifier's matrix comes after all of them.
    last = max(i for i, kind in enumerate(kinds) if kind in ("Gemm", "FullyConnected", "MatMul"))
    assert last > max(i for i, kind in enumerate(kinds) if kind in convolutions)
    np.testing.assert_array_equal(runner.run(tensors[:1]), expected)


def test_onnx_runtimes_file_is_read_by_operator(load: Load, tiny_bundle: Path) -> None:
    def event(name: str, kind: str, ts: int, dur: int, cat: str = "Node") -> dict[str, Any]:
        return {"cat": cat, "name": name, "ts": ts, "dur": dur, "args": {"op_name": kind}}

    events = [
        {"cat": "Session", "name": "model_loading_uri", "dur": 9, "ts": 0, "args": {}},
        event("fc_kernel_time", "Gemm", 20, 900),
        event("conv_kernel_time", "Conv", 10, 5000),
        event("conv_fence_before", "Conv", 9, 7),
        event("conv_kernel_time", "Conv", 30, 100),
        event("fc_kernel_time", "Gemm", 40, 10),
        event("conv_kernel_time", "Conv", 50, 300),
        event("fc_kernel_time", "Gemm", 60, 30),
    ]
    # The first of the three queries was the warm-up.
    assert load(tiny_bundle).mean_times(events, 2) == [
        {"name": "conv", "type": "Conv", "ms": pytest.approx(0.2)},
        {"name": "fc", "type": "Gemm", "ms": pytest.approx(0.02)},
    ]


def test_openvinos_running_means_are_undone(package_bundle: PackageBundle, load: Load) -> None:
    kit = load(package_bundle("openvino", "fp32"))
    own = [9.0, 5.0, 1.0, 2.0, 3.0]  # of each query; the first two are the warm-up
    means = [sum(own[: n + 1]) / (n + 1) for n in range(len(own))]
    for told, is_running_mean in ((means, True), (own, False)):
        rows = [[{"name": "conv", "type": "Convolution", "ms": ms}] for ms in told]
        (found,) = kit.mean_times(rows, 3, is_running_mean)
        assert found == {"name": "conv", "type": "Convolution", "ms": pytest.approx(2.0)}


def test_openvinos_cpu_tells_running_means(package_bundle: PackageBundle, load: Load) -> None:
    """What `mean_times` undoes: a slow first query stays in what is told for ever."""
    runner, tensors = started(load, package_bundle("openvino", "fp32"))
    request = runner.compile(PERF_COUNT="YES").create_infer_request()
    told = []
    for _ in range(40):
        request.infer([tensors[:1]])
        told.append(sum(info.real_time.total_seconds() for info in request.profiling_info))
    total = [mean * (index + 1) for index, mean in enumerate(told)]
    # Of a sum nothing is ever taken away, but by what rounding to microseconds makes of it.
    slack = 1e-6 * len(request.profiling_info)
    assert all(after > before - slack * n for n, (before, after) in enumerate(pairwise(total), 2))


def test_what_was_fused_away_is_no_operator(package_bundle: PackageBundle, load: Load) -> None:
    kit = load(package_bundle("openvino", "fp32"))
    infos = [SimpleNamespace(status=SimpleNamespace(name=name)) for name in ("EXECUTED", "NOT_RUN")]
    assert kit.executed(infos) == infos[:1]


def test_kits_without_a_profiler_have_none() -> None:
    without = {
        name
        for name in ("coreml", "executorch", "litert", "ncnn", "torch")
        if "def profile(" not in kits.kit_files(name)["infer.py"].read_text(encoding="utf-8")
    }
    assert without == {"coreml", "executorch", "litert", "ncnn", "torch"}
