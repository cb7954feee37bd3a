"""A bundle where there is nothing but what its requirements name, and where even that is missing.

The environments borrow the packages of the one that runs the tests, by links: no network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from edgecls import targets

PackageBundle = Callable[[str, str], Path]
Environment = Callable[..., Path]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A new environment with only the distributions named; gives its interpreter."""

    def make(*names: str) -> Path:
        venv.create(tmp_path / "venv", symlinks=True, with_pip=False)
        (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
        for name in names:
            found = distribution(name)
            files = [Path(str(file)) for file in found.files or ()]
            tops = {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}
            for top in tops:
                (site / top).symlink_to(Path(str(found.locate_file(top))))
        return tmp_path / "venv" / "bin" / "python"

    return make


def run(python: Path, *arguments: object) -> tuple[int, dict[str, Any], str]:
    command = [python, *map(str, arguments)]
    # Elsewhere: Python looks for modules in the working folder, too.
    done = subprocess.run(command, capture_output=True, text=True, cwd=python.parent)
    *_, last = done.stdout.splitlines() or ["{}"]
    return done.returncode, json.loads(last), done.stderr


FINDS = """
import importlib.util, json, sys
names = ("edgecls", "torch", "onnx", "onnxruntime", "openvino", "ai_edge_litert", "litert_torch",
         "ncnn", "pnnx", "coremltools",
         "numpy", "PIL", "click", "pip")
print(json.dumps({name: importlib.util.find_spec(name) is not None for name in names}))
"""


# What ExecuTorch's Python runtime needs is PyTorch, which is an environment of its own.
@pytest.mark.parametrize(
    ("target", "package", "borrowed"),
    [
        ("onnxruntime", "onnxruntime", ()),
        ("openvino", "openvino", ()),
        ("litert", "ai-edge-litert", ("flatbuffers", "ml_dtypes", "tqdm", "typing_extensions")),
        ("ncnn", "ncnn", ()),
    ],
)
def test_a_bundle_needs_its_runtime_numpy_and_pillow(
    package_bundle: PackageBundle,
    environment: Environment,
    target: str,
    package: str,
    borrowed: tuple[str, ...],
) -> None:
    if targets.get(target).availability().convert.status != "ok":
        pytest.skip(f"pip install 'edgecls[{target}]' brings its converter")
    bundle = package_bundle(target, "fp32")
    python = environment("numpy", "pillow", package, *borrowed)
    _, found, _ = run(python, "-c", FINDS)
    module = package.replace("-", "_")
    assert {name for name, here in found.items() if here} == {"numpy", "PIL", module}
    status, answer, stderr = run(python, bundle / "infer.py", "--verify")
    assert (status, answer["ok"]) == (0, True), stderr
    status, answer, _ = run(python, bundle / "infer.py", bundle / "golden" / "000.png")
    assert (status, answer["ok"]) == (0, True)
    lines = (bundle / "requirements.txt").read_text().splitlines()
    required = {Requirement(line).name for line in lines}
    predecessor = {"tflite-runtime"} & required  # on a Python that the runtime is not made for
    assert required - predecessor == {"numpy", "pillow", package}


@pytest.mark.parametrize(
    ("installed", "missing"),
    [((), "numpy"), (("numpy",), "PIL"), (("numpy", "pillow"), "onnxruntime")],
)
def test_what_is_missing_is_told_with_the_line_that_installs_it(
    tiny_bundle: Path, environment: Environment, installed: tuple[str, ...], missing: str
) -> None:
    python = environment(*installed)
    for command in ("--verify", "--serve", tiny_bundle / "golden" / "000.png"):
        status, answer, stderr = run(python, tiny_bundle / "infer.py", command)
        assert status == 1
        assert answer["error"] == f"No module named {missing!r}"
        assert answer["fix"] == f"{python} -m pip install -r {tiny_bundle / 'requirements.txt'}"
        assert answer["fix"] in stderr
        assert "Traceback" not in stderr


def test_help_needs_nothing(tiny_bundle: Path, environment: Environment) -> None:
    command = [environment(), tiny_bundle / "infer.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: infer.py")


def test_a_runner_reports_to_nobody_and_leaves_nothing_in_the_home(
    package_bundle: PackageBundle, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    bundle = package_bundle("onnxruntime", "fp32")
    done = _run([sys.executable, "-I", bundle / "infer.py", "--verify"], home)
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []


def test_a_conversion_reports_to_nobody_and_leaves_nothing_in_the_home(
    package_bundle: PackageBundle, tmp_path: Path
) -> None:
    """ONNX Runtime answers the canonical graph, OpenVINO's converter reads it, NNCF is imported."""
    home = tmp_path / "home"
    home.mkdir()
    model = package_bundle("onnxruntime", "fp32") / "model.onnx"
    done = _run([sys.executable, "-c", REPORTING, model], home)
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []


REPORTING = """
import sys, edgecls, nncf, numpy, onnxruntime, openvino
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
openvino.convert_model(sys.argv[1])
nncf.quantize(openvino.Core().read_model(sys.argv[1]), nncf.Dataset(
    [numpy.zeros([1, *session.get_inputs()[0].shape[1:]], numpy.uint8)]))
"""


def _run(command: list[Any], home: Path) -> subprocess.CompletedProcess[str]:
    """As if in a terminal: no sign of a test or of CI, where some report nothing."""
    hidden = ("ORT_DISABLE_TELEMETRY", "CI", "NNCF_CI")
    given = {
        key: value
        for key, value in os.environ.items()
        if key not in hidden and not key.startswith(("PYTEST", "XDG"))
    }
    return subprocess.run(
        command, capture_output=True, text=True, env={**given, "HOME": str(home)}, cwd=home.parent
    )
