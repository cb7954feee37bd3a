"""Each kit in an environment that its bundle's ``requirements.txt`` alone makes.

It takes the network and minutes, so it is run on request: ``make environments``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecls import targets

KITS = {
    "onnxruntime": "int8",
    "onnxruntime-mobile": "fp32",
    "openvino": "int8",
    "executorch": "int8",
    "litert": "int8",
    "ncnn": "int8",
    "tensorrt-rtx": "fp16",
}
REQUESTED = "EDGECLS_ENVIRONMENTS"

pytestmark = pytest.mark.skipif(
    REQUESTED not in os.environ, reason="needs the network: make environments"
)


@pytest.mark.parametrize("target", KITS)
def test_a_bundle_proves_itself_in_its_own_environment(
    package_bundle: Callable[[str, str], Path], tmp_path: Path, target: str
) -> None:
    ready = targets.get(target).availability().convert
    if ready.status != "ok":
        pytest.skip(f"{ready.reason}; {ready.fix}")
    bundle = package_bundle(target, KITS[target])
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", bundle / "requirements.txt"], check=True)
    status, answer = _verify(python, bundle)
    if target == "tensorrt-rtx" and not answer["ok"]:
        # Up to the device: its libraries are there, and the message names what is not.
        assert status == 1
        assert "NVIDIA" in answer["error"] + answer["fix"], answer
        return
    assert status == 0 and answer["ok"], answer


def _verify(python: Path, bundle: Path) -> tuple[int, dict[str, Any]]:
    """Nothing of this process's own environment is seen."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [python, "-I", bundle / "infer.py", "--verify"],
        capture_output=True,
        text=True,
        env=clean,
        cwd=python.parent,
    )
    assert done.stdout, done.stderr
    print(done.stdout, file=sys.stderr)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return done.returncode, answer
