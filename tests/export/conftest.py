"""The C++ kit, built once a session: a program that needs no runtime, and one for OpenVINO."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgecls.kits import kits_folder

SOURCES = kits_folder() / "cpp"
Build = Callable[[str, Mapping[str, str]], Path]
Check = Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def build_cpp(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """(name, CMake's options) -> the build's folder. Every warning is an error."""
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")

    def build(name: str, options: Mapping[str, str]) -> Path:
        folder = tmp_path_factory.mktemp(name)
        given = {"EDGECLS_WERROR": "ON", "CMAKE_CXX_FLAGS_RELEASE": "-O1", **options}
        if shutil.which("ccache"):
            given["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
        flags = [f"-D{key}={value}" for key, value in given.items()]
        configured = run(["cmake", "-S", SOURCES, "-B", folder, *flags])
        if "libjpeg or libpng is missing" in configured.stderr:
            pytest.skip("libjpeg-dev or libpng-dev is not installed")
        assert configured.returncode == 0, configured.stdout + configured.stderr
        built = run(["cmake", "--build", folder])
        assert built.returncode == 0, built.stdout + built.stderr
        return folder

    return build


@pytest.fixture(scope="session")
def openvino_build(build_cpp: Build) -> Path:
    """The folder of edgecls-infer for OpenVINO's wheel, and of edgecls-check."""
    found = importlib.util.find_spec("openvino")
    if found is None or found.origin is None:
        pytest.skip("openvino is not installed")
    cmake = Path(found.origin).parent / "cmake"
    if not (cmake / "OpenVINOConfig.cmake").is_file():
        pytest.skip("this openvino has no headers")
    options = {"EDGECLS_BACKEND": "openvino", "EDGECLS_CHECK": "ON", "OpenVINO_DIR": str(cmake)}
    return build_cpp("openvino-build", options)


@pytest.fixture(scope="session")
def check(openvino_build: Path) -> Check:
    """Requests to edgecls-check -> its answers."""
    return checker(openvino_build / "edgecls-check")


@pytest.fixture(scope="session")
def sanitized(build_cpp: Build) -> Check:
    """The same, of one that ends where memory is misused or behaviour is undefined."""
    options = {
        "EDGECLS_BACKEND": "none",
        "EDGECLS_SANITIZE": "ON",
        "CMAKE_CXX_FLAGS_RELEASE": "-O0",
    }
    return checker(build_cpp("sanitized", options) / "edgecls-check")


def checker(program: Path) -> Check:
    def ask(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        done = subprocess.run([program], input=lines.encode(), capture_output=True)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


def run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    one_job = {**os.environ, "CMAKE_BUILD_PARALLEL_LEVEL": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=one_job)
