"""What is installed is read from metadata, and what is broken is found in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from edgecls import doctor, hardware
from edgecls.core import Hardware
from edgecls.doctor import conflicts, imports, machine, packages
from edgecls.doctor.packages import Need
from edgecls.errors import EdgeclsError

GONE = metadata.PackageNotFoundError("no such package")


def need(
    name: str = "numpy", wanted: str = ">=2,<3", extra: str = "", there: str = "2.4.6"
) -> Need:
    return Need(name, SpecifierSet(wanted), extra, there)


def test_the_ranges_are_those_of_our_own_metadata():
    found = packages.needs()
    base = {
        Requirement(text).name for text in metadata.requires("edgecls") or () if ";" not in text
    }
    assert {each.name for each in found if not each.extra} == base
    extras = {each.extra for each in found} - {""}
    assert {"timm", "tensorrt-rtx"} <= extras and not extras & set(packages.LEFT_OUT)
    (numpy,) = (each for each in found if each.name == "numpy")
    assert numpy.installed == metadata.version("numpy") and numpy.fits


@pytest.mark.parametrize(
    ("given", "state", "text", "fix"),
    [
        (need(), "ok", "2.4.6", ""),
        (need(there="1.26.0"), "warning", "1.26.0 is outside the tested range <3,>=2", '"numpy<3,'),
        (need(there=""), "broken", "not installed", 'install "numpy<3,>=2"'),
        (need("timm", extra="timm", there=""), "missing", "not installed", '"edgecls[timm]"'),
    ],
)
def test_each_package_is_in_its_range_or_has_the_line_that_mends_it(given, state, text, fix):
    (check,) = packages.check([given])
    assert (check.state, check.text, check.part) == (state, text, given.extra or "base")
    assert fix in check.fix
    if fix:
        assert check.fix.startswith(f"{sys.executable} -m pip install")


def pretend(monkeypatch, installed: dict[str, str], wants: dict[str, list[str]]) -> None:
    monkeypatch.setattr(conflicts, "version", lambda name: installed.get(name, ""))
    monkeypatch.setattr(
        conflicts, "wanted_by", lambda name: [Requirement(text) for text in wants.get(name, ())]
    )


@pytest.mark.parametrize(
    ("installed", "wants", "text", "fix"),
    [
        (
            {"onnxruntime": "1.31.1", "protobuf": "3.20.0"},
            {"onnxruntime": ["protobuf>=4.25.8", "coloredlogs"]},
            "onnxruntime 1.31.1 wants protobuf>=4.25.8, and 3.20.0 is there",
            '"protobuf>=4.25.8"',
        ),
        ({"torch": "2.14.1", "torchvision": "0.28.0"}, {}, "not made for torch", "0.29.*"),
        ({"torch": "2.14.1+cpu", "torchvision": "0.29.2+cpu"}, {}, "", ""),
        ({"torch": "2.14.1"}, {}, "", ""),
        (
            {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"},
            {},
            "onnxruntime and onnxruntime-gpu write the same files",
            "pip uninstall onnxruntime onnxruntime-gpu",
        ),
        ({"pillow": "13.0.0", "pillow-simd": "9.5.0"}, {}, "pillow and pillow-simd", "uninstall"),
    ],
)
def test_versions_that_do_not_fit_together_are_told(monkeypatch, installed, wants, text, fix):
    pretend(monkeypatch, installed, wants)
    (check,) = conflicts.check([need(name, there=found) for name, found in installed.items()])
    if text:
        assert check.state == "warning" and text in check.text and fix in check.fix
    else:
        assert check.state == "ok"


def test_a_module_that_raises_crashes_or_hangs_is_told(tmp_path, monkeypatch):
    for name, code in {
        "raising": "raise ImportError('libgone.so: cannot open shared object file')",
        "crashing": "import os; os.kill(os.getpid(), 11)",
        "hanging": "import time; time.sleep(60)",
        "fine": "print('hello')",
    }.items():
        (tmp_path / f"{name}_module.py").write_text(code)
    # A stand-in for site-packages: the real import is isolated from the environment.
    monkeypatch.setattr(imports.sys, "executable", str(python(tmp_path)))
    assert imports.problem("fine_module") == ""
    assert "libgone.so: cannot open" in imports.problem("fine_module, raising_module")
    assert "ended with signal 11" in imports.problem("crashing_module")
    assert "took longer than 1 s" in imports.problem("hanging_module", 1.0)


def python(folder: Path) -> Path:
    """An interpreter that also finds the modules of `folder`."""
    script = folder / "python"
    script.write_text(
        f'#!/bin/sh\nshift 2\nexec {sys.executable} -S -c "import sys; '
        f'sys.path.insert(0, \'{folder}\'); exec(sys.argv[1])" "$@"\n'
    )
    script.chmod(0o755)
    return script


def test_one_that_does_not_import_is_found_among_many(monkeypatch):
    asked = []

    def problem(module: str, limit_s: float = 0) -> str:
        asked.append(module)
        return "no torch" if "torch" in module else ""

    monkeypatch.setattr(imports, "problem", problem)
    given = [need(), need("torch", there="2.14.1"), need("timm", extra="timm", there="1.0")]
    broken, summary = imports.check([*given, need("peft", extra="lora", there="")])
    assert (broken.name, broken.state, broken.text) == ("torch", "broken", "no torch")
    assert summary.text == "2 of 3 import"
    assert sorted(asked) == ["numpy", "numpy, torch", "timm", "torch"]


@pytest.mark.parametrize(
    ("features", "architecture", "text"),
    [
        (("avx2",), "x86_64", "no VNNI: weights of 8 bits overflow"),
        (("avx2", "avx_vnni"), "x86_64", "VNNI: uint8 by int8"),
        (("avx512_vnni", "avx512_bf16"), "x86_64", "bf16 as well"),
        (("neon", "dotprod"), "aarch64", "dot product: int8 by int8"),
        (("neon",), "aarch64", "no dot product"),
    ],
)
def test_what_the_instructions_mean_for_int8(features, architecture, text):
    assert text in machine.int8_means(Hardware("", architecture, features))


def test_a_gpu_is_described_by_its_driver_or_the_driver_is_to_blame(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.nvidia, "has_gpu", lambda: True)
    monkeypatch.setattr(machine.jetpack, "l4t_here", lambda: "")
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'NVIDIA H200, 570.86.15, 9.0, 143771 MiB'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(hardware, "package_version", lambda name: "2.14.1+cpu")
    gpu, torch = machine._gpus()
    assert gpu.text == "NVIDIA H200, driver 570.86.15, compute capability 9.0, 143771 MiB"
    assert torch.state == "warning" and "the CPU's build" in torch.text and torch.fix
    smi.write_text("#!/bin/sh\nexit 9\n")
    (gpu,) = machine._gpus()
    assert gpu.state == "warning" and "nvidia-smi does not answer" in gpu.text and gpu.fix


def test_a_jetson_is_described_by_its_jetpack(monkeypatch):
    monkeypatch.setattr(machine.jetpack, "l4t_here", lambda: "36.4.3")
    first, *_ = machine._gpus()
    assert first.text == "Jetson Linux 36.4.3: JetPack 6.2"


def test_another_python_breaks_the_base():
    assert machine.python(">=3.11").state == "ok"
    check = machine.python(">=4")
    assert check.state == "broken" and check.fix == "use Python >=4"


def test_the_report_is_sound_unless_something_is_broken(tmp_path):
    heard = []
    report = doctor.examine(tmp_path, imports=False, tell=heard.append)
    assert list(report.checks) == heard and {"machine", "base"} <= {c.part for c in heard}
    told = json.loads(json.dumps(report.to_json()))
    assert told["ok"] is report.is_sound and len(told["checks"]) == len(heard)
    broken = doctor.Check("base", "torch", "broken", "not installed", "pip install torch")
    assert not doctor.Report((*report.checks, broken)).is_sound


def test_an_edgecls_that_is_no_package_is_told(tmp_path, monkeypatch):
    def gone() -> list[Need]:
        raise GONE

    monkeypatch.setattr(packages, "needs", gone)
    with pytest.raises(EdgeclsError, match="installation of edgecls is broken") as caught:
        doctor.examine(tmp_path)
    assert "pip install" in caught.value.fix


def test_it_imports_nothing_that_it_looks_at():
    code = """
import sys
from pathlib import Path
from edgecls import doctor
doctor.examine(Path.cwd(), imports=False)
heavy = {"torch", "onnx", "onnxruntime", "openvino", "nncf", "tensorrt_rtx"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
