"""The wheel, built from the source distribution and installed where nothing else is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

import edgecls
from edgecls import kits

ROOT = kits.PACKAGE.parent
CARRIED = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "Makefile",
    "edgecls",
    "export",
)


def is_installed(package: str) -> bool:
    """Asked of its metadata: setuptools' import hook warns where one looks for pip's module."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel that was built from it."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("this edgecls is no checkout")
    for tool in ("build", "hatchling"):
        if not is_installed(tool):
            pytest.skip(f"{tool} is not installed")
    checkout = tmp_path_factory.mktemp("built") / "checkout"
    checkout.mkdir()
    for name in CARRIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name)
        else:
            shutil.copyfile(ROOT / name, checkout / name)
    # What Python leaves behind in a checkout that was used.
    for folder in (checkout / "edgecls", checkout / "edgecls/device", checkout / "export/openvino"):
        (folder / "__pycache__").mkdir(exist_ok=True)
        (folder / "__pycache__" / "infer.cpython-311.pyc").write_bytes(b"stale")
    # Without a network: what it builds with is installed.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", checkout.parent]
    done = subprocess.run([*command, checkout], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout.parent


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """The interpreter of an environment with the wheel and nothing else."""
    venv.create(wheel.parent / "venv", symlinks=True, with_pip=False)
    python = wheel.parent / "venv" / "bin" / "python"
    if is_installed("pip"):
        options = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
        pip = [sys.executable, "-m", "pip", "--python", python, *options, wheel]
        subprocess.run(pip, check=True)
    else:
        (site,) = (wheel.parent / "venv").glob("lib/python*/site-packages")
        zipfile.ZipFile(wheel).extractall(site)
    return python


def ask(python: Path, code: str) -> Any:
    """What the code prints as JSON, run away from the checkout."""
    done = subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, cwd=python.parent
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_wheel_holds_the_package_its_kits_and_its_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        f"edgecls/{path.relative_to(kits.PACKAGE).as_posix()}"
        for path in kits.PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    carried = {
        f"edgecls/_kits/{path.relative_to(ROOT / 'export').as_posix()}"
        for path in (ROOT / "export").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = {name for name in names if ".dist-info/" in name}
    assert names - info == sources | carried
    assert "edgecls/py.typed" in names
    assert {f"edgecls/report/assets/{name}" for name in ("report.css", "report.js")} < names
    assert "edgecls/_kits/meta.schema.json" in names


def test_nothing_that_python_left_behind_is_in_it(built: Path, wheel: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = archive.getnames()
    for name in [*zipfile.ZipFile(wheel).namelist(), *packed]:
        assert "__pycache__" not in name
        assert not name.endswith(".pyc")


def test_the_source_distribution_has_what_the_wheel_is_built_of(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "export/onnxruntime/infer.py"} < names


def test_the_installed_kits_are_the_wheels(python: Path) -> None:
    found = ask(
        python,
        "import json; from edgecls import kits; "
        "print(json.dumps([str(kits.kits_folder()), str(kits.PACKAGE), "
        "{k.name: sorted(kits.kit_files(k.name)) for k in kits.kits_folder().iterdir() "
        "if (k / 'infer.py').is_file()}]))",
    )
    folder, package, files = Path(found[0]), Path(found[1]), found[2]
    assert folder == package / "_kits"
    assert (python.parent.parent).resolve() in folder.resolve().parents
    here = {kit: sorted(kits.kit_files(kit)) for kit in files}
    assert files == here
    assert set(files) == {path.parent.name for path in (ROOT / "export").glob("*/infer.py")}


def test_it_says_its_version_licence_and_commands(python: Path, wheel: Path) -> None:
    found = ask(
        python,
        "import json; from importlib.metadata import distribution as d; x = d('edgecls'); "
        "print(json.dumps([x.version, x.metadata['License-Expression'], "
        "x.metadata['Requires-Python'], [e.name for e in x.entry_points "
        "if e.group == 'console_scripts']]))",
    )
    assert found == [edgecls.__version__, "Apache-2.0", ">=3.11", ["edgecls"]]
    assert f"edgecls-{edgecls.__version__}-py3-none-any.whl" == wheel.name


def test_without_its_dependencies_it_says_which_one_is_missing(python: Path) -> None:
    done = subprocess.run(
        [python, "-I", "-m", "edgecls", "--help"], capture_output=True, text=True, cwd=python.parent
    )
    assert done.returncode == 1
    assert "No module named 'click'" in done.stderr
