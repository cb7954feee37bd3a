"""Where the kits are, and what of them goes into a bundle."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from edgecls import kits, targets
from edgecls.errors import EdgeclsError

OWN = [
    *("coreml", "executorch", "litert", "ncnn", "onnxruntime", "openvino"),
    *("tensorrt", "tensorrt-rtx", "torch"),
]


def test_every_target_has_its_kit() -> None:
    for name in targets.names():
        assert "infer.py" in kits.kit_files(targets.get(name).kit)


@pytest.mark.parametrize("kit", OWN)
def test_a_kits_files_are_its_own_and_the_whole_harness(kit: str) -> None:
    files = kits.kit_files(kit)
    device = {f"harness/{path.name}" for path in (kits.PACKAGE / "device").glob("*.py")}
    assert {name for name in files if name.startswith("harness/")} == device
    assert files["infer.py"].parent == kits.kits_folder() / kit
    assert all(path.is_file() for path in files.values())


def test_what_python_leaves_behind_is_no_part_of_a_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = shutil.copytree(kits.kits_folder(), tmp_path / "export")
    monkeypatch.setattr(kits, "kits_folder", lambda: installed)
    before = set(kits.kit_files("openvino"))
    (installed / "openvino" / "__pycache__").mkdir(exist_ok=True)
    (installed / "openvino" / "__pycache__" / "infer.cpython-311.pyc").write_bytes(b"")
    (installed / "openvino" / "README.md").write_text("about it")
    assert set(kits.kit_files("openvino")) == before


def test_an_unknown_kit_is_refused_with_those_that_are_installed() -> None:
    with pytest.raises(EdgeclsError, match=f"no kit 'x'\n  fix: installed: {', '.join(OWN)}"):
        kits.kit_files("x")


def test_a_broken_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kits, "PACKAGE", tmp_path / "edgecls")
    with pytest.raises(EdgeclsError, match="lost its kits"):
        kits.kits_folder()


def test_the_wheels_copy_is_found_where_there_is_no_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(kits.kits_folder(), tmp_path / "edgecls" / "_kits")
    monkeypatch.setattr(kits, "PACKAGE", tmp_path / "edgecls")
    # Somebody else's folder of that name is none of ours.
    (tmp_path / "export").mkdir()
    assert kits.kits_folder() == copy


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another package's folder `vendor/kits/npu`, which the entry point ``npu`` names."""
    folder = tmp_path / "vendor_of_npus" / "kits" / "npu"
    folder.mkdir(parents=True)
    (folder.parent.parent / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = [EntryPoint("npu", "vendor_of_npus.kits.npu", "edgecls.kits")]
    monkeypatch.setattr(kits, "entry_points", lambda group: found)
    yield folder
    for name in [name for name in sys.modules if name.startswith("vendor_of_npus")]:
        del sys.modules[name]


def test_another_package_brings_a_kit_by_an_entry_point(package: Path) -> None:
    (package / "infer.py").write_text("raise SystemExit('a kit is data: nobody imports it')")
    (package / "data").mkdir()
    (package / "data" / "table.bin").write_bytes(b"1")
    files = kits.kit_files("npu")
    assert files["infer.py"] == package / "infer.py"
    assert files["data/table.bin"] == package / "data" / "table.bin"
    assert "harness/meta.py" in files
    assert "vendor_of_npus.kits.npu.infer" not in sys.modules


def test_an_entry_point_cannot_replace_a_kit_of_ours(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "infer.py").write_text("")
    found = [EntryPoint("openvino", "vendor_of_npus.kits.npu", "edgecls.kits")]
    monkeypatch.setattr(kits, "entry_points", lambda group: found)
    assert kits.kit_files("openvino")["infer.py"].parent == kits.kits_folder() / "openvino"


@pytest.mark.parametrize("value", ["vendor_of_npus.kits.npu", "not_there", "not_there.kits", "sys"])
def test_an_entry_point_that_is_no_kit_is_an_error(
    package: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    found = [EntryPoint("npu", value, "edgecls.kits")]
    monkeypatch.setattr(kits, "entry_points", lambda group: found)
    with pytest.raises(EdgeclsError, match=r"'npu' is no package with an infer\.py: " + value):
        kits.kit_files("npu")
