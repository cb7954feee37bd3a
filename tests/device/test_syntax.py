"""What travels to a device runs on Python 3.8 and needs only what a device has."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from edgecls import kits

DEVICE = sorted((kits.PACKAGE / "device").glob("*.py"))
EXPORT = sorted(kits.kits_folder().rglob("*.py"))
# Its text is sent to a device's own Python.
AGENT = kits.PACKAGE / "remote" / "agent.py"
SHIPPED = [*DEVICE, *EXPORT, AGENT]
# The host's reference, which never ships: it needs edgecls itself.
HOST_ONLY = {"torch"}
# ExecuTorch's Python runtime imports PyTorch itself, and takes its tensors.
TAKES_TENSORS = {"executorch"}


def ids(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def imported(path: Path) -> set[str]:
    """The names of a file's imports, wherever they stand; '.' before a relative one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found.add("by import_module")
    return found


def test_there_are_kits_and_device_modules() -> None:
    assert {"meta.py", "harness.py"} < {path.name for path in DEVICE}
    assert {"onnxruntime", "openvino", "torch"} < {path.parent.name for path in EXPORT}


@pytest.mark.parametrize("path", SHIPPED, ids=ids)
def test_it_is_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_it_calls_nothing_that_python_3_8_lacks() -> None:
    vermin = Path(sys.executable).with_name("vermin")
    if not vermin.is_file():
        pytest.skip("vermin is not installed")
    command = [str(vermin), "-t=3.8-", "--no-tips", "--violations", *map(str, SHIPPED)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("path", DEVICE, ids=ids)
def test_device_imports_the_standard_library_numpy_pillow_and_itself(path: Path) -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "PIL"}
    for name in imported(path):
        if name.startswith("."):
            assert not name.startswith(".."), name
        else:
            assert name.partition(".")[0] in allowed, name


def test_the_agent_imports_the_standard_library_alone() -> None:
    assert imported(AGENT) <= sys.stdlib_module_names


@pytest.mark.parametrize("path", EXPORT, ids=ids)
def test_a_kit_imports_neither_edgecls_nor_torch(path: Path) -> None:
    roots = {name.partition(".")[0] for name in imported(path)}
    forbidden = {"edgecls", "torch", "torchvision", "by import_module"}
    if path.parent.name in HOST_ONLY:
        assert forbidden & roots == {"edgecls", "torch"}
    elif path.parent.name in TAKES_TENSORS:
        assert forbidden & roots == {"torch"}
    else:
        assert not forbidden & roots


@pytest.mark.parametrize("path", [p for p in EXPORT if p.name == "infer.py"], ids=ids)
def test_a_kit_needs_nothing_but_the_standard_library_before_main(path: Path) -> None:
    """So that a missing numpy, Pillow or runtime is told by `main`, and not by a traceback."""
    own = {other.stem for other in path.parent.glob("*.py")}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = imported_by(node)
            allowed = {*sys.stdlib_module_names, "harness.errors", "harness.harness", *own}
            assert names <= allowed, names
            for name in names & own:
                needs = top_level(path.parent / f"{name}.py")
                assert needs <= {*sys.stdlib_module_names, "harness.errors"}, (name, needs)


COMMAND_LINE = ["__init__", "errors", "harness", "scenarios", "stats"]


@pytest.mark.parametrize("name", COMMAND_LINE)
def test_the_command_line_needs_only_the_standard_library(name: str) -> None:
    needs = top_level(kits.PACKAGE / "device" / f"{name}.py")
    assert needs <= {*sys.stdlib_module_names, *COMMAND_LINE}, needs


def imported_by(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {node.module or ""}
    return {alias.name for alias in node.names}


def top_level(path: Path) -> set[str]:
    """What a file imports as soon as it is imported."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return set().union(*map(imported_by, imports))
