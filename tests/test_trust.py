"""A bundle is code: nothing of it runs before its files are proven."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecls import kits, trust
from edgecls.bench.protocol import Protocol, measure
from edgecls.device import meta
from edgecls.errors import EdgeclsError, RunnerError, TrustError
from edgecls.remote.local import here
from edgecls.runner import Runner

KINDS = (
    "model.onnx",
    "infer.py",
    "harness/harness.py",
    "harness/__init__.py",
    "golden/000.png",
    "golden/inputs.npy",
    "golden/source_logits.npy",
    "golden/artifact_logits.npy",
    "requirements.txt",
    "README.md",
)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was started, which must be nothing."""
    commands: list[object] = []

    def refuse(command: object, **options: object) -> None:
        commands.append(command)
        raise OSError("a bundle was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    return commands


def refused(bundle: Path, reason: str, started: list[object]) -> EdgeclsError:
    """The error with which a bundle is refused, unstarted."""
    with pytest.raises(EdgeclsError, match=reason) as caught:
        Runner(bundle)
    assert started == []
    return caught.value


def change(bundle: Path, **fields: object) -> None:
    """Other values in a bundle's meta.json, its seal made to match."""
    path = bundle / "meta.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_bytes(meta.sealed(json.dumps({**data, **fields}).encode()))


def relist(bundle: Path) -> None:
    """Make every hash in meta.json match, as an attacker would."""
    meta.write(str(bundle), meta.read(str(bundle)))


def test_a_fresh_bundle_is_trusted_and_its_files_are_all_listed(tiny_bundle: Path) -> None:
    trusted = trust.check(tiny_bundle)
    present = {p.relative_to(tiny_bundle).as_posix() for p in tiny_bundle.rglob("*") if p.is_file()}
    assert set(trusted.files) == present - {"meta.json"}
    assert set(KINDS) < present


@pytest.mark.parametrize("name", KINDS)
def test_one_changed_byte_is_refused(bundle_copy: Path, name: str, started: list[object]) -> None:
    path = bundle_copy / name
    data = bytearray(path.read_bytes() or b"\n")
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(bundle_copy, f"{name} has changed", started)
    with pytest.raises(TrustError, match=f"{name} has changed"):
        Runner(bundle_copy, trust_code=True)
    assert started == []


def test_any_changed_byte_of_meta_json_is_refused(bundle_copy: Path, started: list[object]) -> None:
    path = bundle_copy / "meta.json"
    whole = path.read_bytes()
    for position in range(0, len(whole), 37):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(EdgeclsError):
            Runner(bundle_copy, trust_code=True)
    assert started == []


def test_another_model_gives_the_bundle_another_hash(bundle_copy: Path) -> None:
    before = meta.bundle_sha256(str(bundle_copy))
    change(bundle_copy, model="tinz")
    assert meta.bundle_sha256(str(bundle_copy)) != before


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_file_is_refused(bundle_copy: Path, name: str, started: list[object]) -> None:
    (bundle_copy / name).unlink()
    refused(bundle_copy, f"{name} is missing", started)


def test_a_replaced_runner_with_a_matching_hash_never_runs(
    kit_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    marker = tmp_path / "it ran"
    bundle = kit_bundle(f"open({str(marker)!r}, 'w').close()")
    said = r"not of the installed kit 'onnxruntime': infer\.py\n.*--trust-code"
    with pytest.raises(TrustError, match=said):
        Runner(bundle)
    (row,) = measure(here([bundle]), Protocol(launches=1, rounds=1))
    assert "infer.py" in row.error
    assert not marker.exists()
    with pytest.raises(RunnerError):  # it does run where that was asked for, and says nothing
        Runner(bundle, trust_code=True)
    assert marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "numpy.py",
        "__pycache__/infer.cpython-311.pyc",
        "harness/__pycache__/meta.cpython-311.pyc",
        "golden/008.png",
        "meta.json.part",
        "harness/meta.json",
    ],
)
def test_a_planted_file_is_refused(bundle_copy: Path, name: str, started: list[object]) -> None:
    (bundle_copy / name).parent.mkdir(exist_ok=True)
    (bundle_copy / name).write_bytes(b"")
    refused(bundle_copy, f"{name} is not listed in meta.json", started)
    with pytest.raises(TrustError, match="is not listed"):
        Runner(bundle_copy, trust_code=True)


ELF, PE, MACH_O, FAT = b"\x7fELF\2\1\1\0", b"MZ\x90\0", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("numpy.py", b""),
        ("harness/numpy.py", b""),
        ("numpy/__init__.py", b""),
        ("numpy.pyc", b""),
        ("harness/__pycache__/meta.cpython-311.pyc", b""),
        ("numpy.cpython-311-x86_64-linux-gnu.so", b""),
        ("evil.pth", b"import os"),
        ("modules.zip", b"PK"),
        ("model.bin", ELF),
        ("library", PE),
        ("golden/data", MACH_O),
        ("weights.dat", FAT),
    ],
)
def test_listed_code_that_is_of_no_kit_is_refused(
    bundle_copy: Path, name: str, content: bytes, started: list[object]
) -> None:
    (bundle_copy / name).parent.mkdir(exist_ok=True)
    (bundle_copy / name).write_bytes(content)
    relist(bundle_copy)
    error = refused(bundle_copy, "carries code that is not of the installed kit", started)
    assert isinstance(error, TrustError)
    assert name in error.cause


def test_listed_data_that_is_of_no_kit_is_no_code(bundle_copy: Path) -> None:
    (bundle_copy / "NOTICE").write_text("whoever took the pictures")
    relist(bundle_copy)
    assert "NOTICE" in trust.check(bundle_copy).files


def test_a_kit_file_that_is_left_out_is_refused(bundle_copy: Path, started: list[object]) -> None:
    (bundle_copy / "harness" / "meta.py").unlink()
    relist(bundle_copy)
    refused(bundle_copy, r"harness/meta\.py", started)


def test_another_kits_runner_is_refused(bundle_copy: Path, started: list[object]) -> None:
    change(bundle_copy, kit="openvino")
    refused(bundle_copy, r"installed kit 'openvino': infer\.py", started)


@pytest.mark.parametrize("link", ["model.onnx", "infer.py", "meta.json", "golden", "extra"])
def test_a_symbolic_link_is_refused(
    bundle_copy: Path, tmp_path: Path, link: str, started: list[object]
) -> None:
    path = bundle_copy / link
    if path.exists():
        path.rename(tmp_path / "elsewhere")
    else:
        (tmp_path / "elsewhere").write_bytes(b"")
    path.symlink_to(tmp_path / "elsewhere")
    refused(bundle_copy, f"{link} is a symbolic link", started)


def test_a_pipe_is_refused_instead_of_read(bundle_copy: Path, started: list[object]) -> None:
    (bundle_copy / "README.md").unlink()
    os.mkfifo(bundle_copy / "README.md")
    refused(bundle_copy, "no regular file", started)


def test_a_link_to_the_bundles_folder_is_followed(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "name").symlink_to(tiny_bundle, target_is_directory=True)
    assert trust.check(tmp_path / "name") == trust.check(tiny_bundle)


@pytest.mark.parametrize("kit", ["../x", "../../x", "/etc", "", ".", "onnxruntime/", "README.md"])
def test_a_kits_name_is_looked_up_and_never_a_path(
    bundle_copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kit: str,
    started: list[object],
) -> None:
    installed = shutil.copytree(kits.kits_folder(), tmp_path / "deep" / "export")
    for planted in (tmp_path / "x", tmp_path / "deep" / "x"):
        planted.mkdir()
        shutil.copyfile(bundle_copy / "infer.py", planted / "infer.py")
    monkeypatch.setattr(kits, "kits_folder", lambda: installed)
    trust.check(bundle_copy)
    change(bundle_copy, kit=kit)
    refused(bundle_copy, "there is no kit", started)


def test_the_model_to_load_is_one_of_the_listed_files(
    bundle_copy: Path, started: list[object]
) -> None:
    change(bundle_copy, model_files=["../../model.onnx"])
    refused(bundle_copy, "model_files names '../../model.onnx'", started)


@pytest.mark.parametrize("name", ["../outside.py", "/etc/passwd"])
def test_a_listed_path_outside_the_bundle_is_refused(
    bundle_copy: Path, name: str, started: list[object]
) -> None:
    (bundle_copy.parent / "outside.py").write_bytes(b"")
    files = dict(meta.read(str(bundle_copy)).files)
    change(bundle_copy, files={**files, name: meta.sha256(str(bundle_copy / name))})
    refused(bundle_copy, f"{name} is missing", started)


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, started: list[object]) -> None:
    assert "edgecls export" in refused(tmp_path, "is not a bundle", started).fix
    refused(tmp_path / "nothing", "is not a bundle", started)
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file", "it is a file, and neither a folder nor", started)
