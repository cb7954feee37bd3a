"""A bundle in an archive: opened as data, refused where it is not one bundle and nothing else."""

from __future__ import annotations

import io
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecls import packed
from edgecls.archives import Limits
from edgecls.errors import EdgeclsError
from edgecls.packed import opened
from edgecls.runner import Runner

Tar = tarfile.TarFile
Zip = zipfile.ZipFile


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which all temporary folders are made, a level below `tmp_path`."""
    found = tmp_path / "deep" / "scratch"
    found.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(found))
    return found


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    commands: list[object] = []

    def refuse(command: object, **options: object) -> None:
        commands.append(command)
        raise OSError("a bundle was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    return commands


def zipped(bundle: Path, out: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(p for p in bundle.rglob("*") if p.is_file()):
            archive.write(path, prefix + path.relative_to(bundle).as_posix())
    return out


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz"])
@pytest.mark.parametrize("within", [False, True])
def test_an_archive_of_a_bundle_answers(
    tiny_bundle: Path, tmp_path: Path, scratch: Path, suffix: str, within: bool
) -> None:
    kinds = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar", ".tar.xz": "xztar"}
    copy = shutil.copytree(tiny_bundle, tmp_path / "to pack" / "mine")
    root = copy.parent if within else copy
    made = Path(shutil.make_archive(str(tmp_path / "bundle"), kinds[suffix], root))
    assert made.name == f"bundle{suffix}"
    with opened(made) as folder:
        assert folder.is_relative_to(scratch)
        with Runner(folder) as runner:
            assert runner.ask({"do": "verify"})["ok"]
    assert list(scratch.iterdir()) == []


def test_a_folder_is_itself(tiny_bundle: Path, scratch: Path) -> None:
    with opened(tiny_bundle) as folder:
        assert folder == tiny_bundle
    assert list(scratch.iterdir()) == []


def link(kind: bytes, to: str) -> Callable[[Tar], None]:
    def add(archive: Tar) -> None:
        member = tarfile.TarInfo("model.onnx")
        member.type, member.linkname = kind, to
        archive.addfile(member)

    return add


def named(name: str) -> Callable[[Tar], None]:
    def add(archive: Tar) -> None:
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))

    return add


def zip_named(name: str) -> Callable[[Zip], None]:
    return lambda archive: archive.writestr(name, b"evil")


def zip_link(archive: Zip) -> None:
    member = zipfile.ZipInfo("labels")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(member, "/etc/passwd")


TARS = {
    "a link out of it": (link(tarfile.SYMTYPE, "../../outside"), "model.onnx is a link"),
    "a link to the root": (link(tarfile.SYMTYPE, "/etc/passwd"), "model.onnx is a link"),
    "a hard link out of it": (link(tarfile.LNKTYPE, "../../outside"), "model.onnx is a link"),
    "a pipe": (link(tarfile.FIFOTYPE, ""), "model.onnx is a link or a device"),
    "a device": (link(tarfile.CHRTYPE, ""), "model.onnx is a link or a device"),
    "a path that leaves it": (named("../../evil.py"), r"\.\./\.\./evil\.py leads out of it"),
    "a path that leaves it later": (named("golden/../../evil.py"), "leads out of it"),
    "a path from the root": (named("/tmp/evil.py"), "/tmp/evil.py leads out of it"),
}
ZIPS = {
    "a link": (zip_link, "labels is a link"),
    "a path that leaves it": (zip_named("../../evil.py"), "leads out of it"),
    "a path from the root": (zip_named("/tmp/evil.py"), "leads out of it"),
    "a path of Windows": (zip_named("C:/evil.py"), "leads out of it"),
}


@pytest.mark.parametrize("name", TARS)
def test_a_tar_that_is_not_safe_is_refused(
    tiny_bundle: Path, tmp_path: Path, scratch: Path, started: list[object], name: str
) -> None:
    add, reason = TARS[name]
    (tmp_path / "outside").write_text("mine")
    out = tmp_path / "bundle.tar.gz"
    with tarfile.open(out, "w:gz") as archive:
        archive.add(tiny_bundle / "meta.json", "meta.json")
        add(archive)
    refused(out, reason, scratch, started)


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_that_is_not_safe_is_refused(
    tiny_bundle: Path, tmp_path: Path, scratch: Path, started: list[object], name: str
) -> None:
    add, reason = ZIPS[name]
    out = tmp_path / "bundle.zip"
    with zipfile.ZipFile(zipped(tiny_bundle, out), "a") as archive:
        add(archive)
    refused(out, reason, scratch, started)


def refused(archive: Path, reason: str, scratch: Path, started: list[object]) -> None:
    """Refused before anything starts, with nothing left and nothing outside."""
    root = scratch.parent.parent
    before = sorted(p for p in root.rglob("*"))
    with pytest.raises(EdgeclsError, match=reason), opened(archive) as folder:
        Runner(folder)
    assert started == []
    assert sorted(p for p in root.rglob("*")) == before


def bomb(path: Path, size: int) -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("model.onnx", "w") as stream,
    ):
        for _ in range(size >> 20):
            stream.write(bytes(1 << 20))
    assert path.stat().st_size < size / 500
    return path


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_that_grows_without_measure_is_refused(
    tmp_path: Path,
    scratch: Path,
    started: list[object],
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
) -> None:
    monkeypatch.setattr(packed, "MOST", Limits(bytes=32 << 20, members=100))
    out = tmp_path / f"bundle{suffix}"
    if suffix == ".zip":
        bomb(out, 64 << 20)
    else:
        with tarfile.open(out, "w:gz") as archive:
            member = tarfile.TarInfo("model.onnx")
            member.size = 64 << 20
            archive.addfile(member, io.BytesIO(bytes(64 << 20)))
    refused(out, "have more than 33,554,432 bytes", scratch, started)


def test_a_bomb_that_lies_about_its_size_is_refused(
    tmp_path: Path, scratch: Path, started: list[object]
) -> None:
    out = bomb(tmp_path / "bundle.zip", 8 << 20)
    data = out.read_bytes()
    told = (8 << 20).to_bytes(4, "little")
    assert told in data
    out.write_bytes(data.replace(told, (1 << 10).to_bytes(4, "little")))
    refused(out, "cannot be unpacked", scratch, started)


def test_too_many_members_are_refused(
    tmp_path: Path, scratch: Path, started: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "MOST", Limits(bytes=1 << 20, members=100))
    out = tmp_path / "bundle.zip"
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(101):
            archive.writestr(f"{number}", b"")
    refused(out, "more than 100 members", scratch, started)


def test_an_archive_without_a_bundle_and_with_two_is_refused(
    tiny_bundle: Path, tmp_path: Path, scratch: Path, started: list[object]
) -> None:
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("photo.jpg", b"")
    refused(empty, "holds 0 bundles", scratch, started)
    two = zipped(tiny_bundle, tmp_path / "two.zip", "one/")
    with zipfile.ZipFile(two, "a") as archive:
        archive.write(tiny_bundle / "meta.json", "other/meta.json")
    refused(two, "holds 2 bundles", scratch, started)


def test_what_is_no_archive_is_refused(
    tmp_path: Path, scratch: Path, started: list[object]
) -> None:
    broken = tmp_path / "bundle.tar.gz"
    broken.write_bytes(b"hello")
    refused(broken, "cannot be unpacked", scratch, started)


def test_a_cut_archive_is_refused(
    tiny_bundle: Path, tmp_path: Path, scratch: Path, started: list[object]
) -> None:
    whole = zipped(tiny_bundle, tmp_path / "bundle.zip")
    whole.write_bytes(whole.read_bytes()[:-2000])
    refused(whole, "cannot be unpacked", scratch, started)


def test_a_replaced_runner_in_an_archive_never_runs(
    kit_bundle: Callable[[str], Path], tmp_path: Path, scratch: Path
) -> None:
    marker = tmp_path / "it ran"
    out = zipped(kit_bundle(f"open({str(marker)!r}, 'w').close()"), tmp_path / "bundle.zip")
    said = r"not of the installed kit 'onnxruntime': infer\.py"
    with pytest.raises(EdgeclsError, match=said), opened(out) as folder:
        Runner(folder)
    assert not marker.exists()


def test_a_changed_byte_in_an_archive_is_found(
    tiny_bundle: Path, tmp_path: Path, scratch: Path, started: list[object]
) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    data = bytearray((copy / "model.onnx").read_bytes())
    data[100] ^= 1
    (copy / "model.onnx").write_bytes(data)
    refused(zipped(copy, tmp_path / "bundle.zip"), "model.onnx has changed", scratch, started)
