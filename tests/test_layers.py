"""Who may import whom, and what nobody imports before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgecls import kits, methods, targets
from edgecls.cli import COMMANDS

HEAVY = (
    *("torch", "torchvision", "torch_pruning", "sklearn", "scipy", "safetensors"),
    *("onnx", "onnxruntime", "onnxscript", "openvino", "nncf", "tensorrt", "tensorrt_rtx"),
    *("executorch", "litert_torch", "ai_edge_litert", "ai_edge_quantizer", "torchao"),
    *("coremltools", "ncnn", "pnnx"),
)
LIGHT = (
    *("edgecls.core", "edgecls.errors", "edgecls.recipe", "edgecls.bundle", "edgecls.runner"),
    *("edgecls.doctor", "edgecls.intel", "edgecls.jetpack", "edgecls.nvidia"),
    *("edgecls.trust", "edgecls.packed", "edgecls.kits", "edgecls.plugins"),
    *("edgecls.hardware", "edgecls.store"),
    *("edgecls.rundir", "edgecls.device", "edgecls.device.harness", "edgecls.device.commands"),
    *("edgecls.device.meta", "edgecls.bench", "edgecls.bench.protocol", "edgecls.bench.rows"),
    *("edgecls.bench.accuracy", "edgecls.report", "edgecls.data", "edgecls.cli"),
    *("edgecls.bench.conditions", "edgecls.bench.images", "edgecls.bench.proof"),
    *("edgecls.remote", "edgecls.remote.connected", "edgecls.remote.agent"),
    "edgecls.comparing",
    *(f"edgecls.cli.{module}" for module, _ in COMMANDS.values()),
)


def fresh(code: str) -> list[str]:
    """Which of `HEAVY` are imported after the code was run in a fresh interpreter."""
    ends = f"\nimport json, sys\nprint(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", code + ends], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("module", dict.fromkeys(LIGHT))
def test_importing_it_brings_no_framework_and_no_runtime(module: str) -> None:
    assert fresh(f"import {module}") == []


def test_every_target_and_method_is_listed_and_asked_without_them() -> None:
    code = """
from edgecls import hardware, methods, targets
for name in targets.names():
    target = targets.get(name)
    target.availability(), target.requirements, target.snippet("model")
    if "int8" in target.precisions:
        target.scheme(hardware.here())
for name in methods.names():
    methods.get(name).Options.model_json_schema()
"""
    assert fresh(code) == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["targets"]])
def test_the_command_line_starts_without_them(arguments: list[str]) -> None:
    code = f"""
from edgecls.cli import main
try:
    main({arguments!r})
except SystemExit as stop:
    assert stop.code == 0
"""
    assert fresh(code) == []


def test_the_help_of_every_command_needs_none_of_them() -> None:
    code = f"""
from edgecls.cli import main
for command in {list(COMMANDS)!r}:
    try:
        main([command, "--help"])
    except SystemExit as stop:
        assert stop.code == 0, command
"""
    assert fresh(code) == []


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.is_file() or not (kits.PACKAGE.parent / "pyproject.toml").is_file():
        pytest.skip("import-linter or the checkout is not here")
    command = [lint, "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=kits.PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_contracts_name_every_target_and_method() -> None:
    import tomllib

    project = kits.PACKAGE.parent / "pyproject.toml"
    if not project.is_file():
        pytest.skip("this edgecls is no checkout")
    settings = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["importlinter"]
    named = {m for contract in settings["contracts"] for m in contract.get("modules", [])}
    for kind in (targets, methods):
        for path in Path(kind.__path__[0]).glob("[a-z]*.py"):
            assert f"{kind.__name__}.{path.stem}" in named


@pytest.mark.parametrize("word", ["export", "harness", "infer"])
def test_installing_it_claims_no_other_top_level_name(word: str) -> None:
    """`export/` is data: as a package it would stand in everybody's environment."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({word!r}) is not None)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True)
    assert done.returncode == 0 or (kits.PACKAGE.parent / word).is_dir()
