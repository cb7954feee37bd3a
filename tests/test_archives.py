"""Archives are data from elsewhere: nothing of an unsafe one is written."""

from __future__ import annotations

import io
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecls import archives
from edgecls.archives import Limits
from edgecls.errors import DataError

Pack = Callable[..., Path]


@pytest.fixture
def packed(tmp_path: Path) -> Pack:
    """Write a zip of members: (name, bytes, mode)."""

    def make(*members: tuple[str, bytes, int]) -> Path:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data, mode in members:
                info = zipfile.ZipInfo(name)
                info.external_attr = mode << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, data)
        return path

    return make


FILE, LINK = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


def test_a_zip_is_unpacked_as_it_is(packed: Pack, tmp_path: Path):
    path = packed(("a/é.txt", b"1", FILE), ("b/", b"", stat.S_IFDIR | 0o755), ("a/2", b"", 0))
    archives.extract(path, tmp_path / "out")
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")}
    assert found == {"a", "a/é.txt", "a/2", "b"}
    assert (tmp_path / "out/a/é.txt").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("../out", FILE, "leads out"),
        ("a/../../out", FILE, "leads out"),
        ("/etc/out", FILE, "leads out"),
        ("C:/out", FILE, "leads out"),
        ("a/link", LINK, "link or a device"),
        ("a/pipe", stat.S_IFIFO | 0o644, "link or a device"),
    ],
)
def test_a_member_that_is_no_plain_file_below_it_is_refused(
    packed: Pack, tmp_path: Path, name: str, mode: int, reason: str
):
    path = packed(("a/1", b"1", FILE), (name, b"/etc/passwd", mode))
    with pytest.raises(DataError, match=reason):
        archives.extract(path, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]


def test_a_bomb_is_refused_before_it_is_unpacked(packed: Pack, tmp_path: Path):
    path = packed(("zeros", bytes(50_000_000), FILE))
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="more than 1,000,000 bytes"):
        archives.extract(path, tmp_path / "out", Limits(bytes=1_000_000))
    with pytest.raises(DataError, match="more than 1 members"):
        archives.extract(
            packed(("1", b"", FILE), ("2", b"", FILE)), tmp_path / "out", Limits(members=1)
        )
    assert not (tmp_path / "out").exists()


def test_a_zip_whose_sizes_lie_is_refused(packed: Pack, tmp_path: Path):
    path = packed(("zeros", bytes(100_000), FILE))
    # The size before compression, in the local header and in the directory.
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), b"\x0a\0\0\0"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        archives.extract(path, tmp_path / "out")
    assert sum(p.stat().st_size for p in (tmp_path / "out").rglob("*")) <= 10


@pytest.mark.parametrize("damage", ["cut", "twice"])
def test_a_damaged_zip_ends_with_a_sentence(packed: Pack, tmp_path: Path, damage: str):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = packed(("a", b"1" * 5000, FILE), ("a", b"2", FILE))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="cannot be unpacked"):
        archives.extract(path, tmp_path / "out")


def tar(path: Path, headers: dict[str, str]) -> Path:
    """A tar of one file with these pax headers."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = headers
        archive.addfile(info, io.BytesIO(b""))
    return path


@pytest.mark.parametrize(
    "headers",
    [{"path": "a\0b"}, {"mtime": "1e300"}, {"mtime": "nan"}, {"GNU.sparse.map": "x"}],
)
def test_a_header_that_says_nonsense_ends_with_a_sentence(tmp_path: Path, headers: dict[str, str]):
    path = tar(tmp_path / "x.tar.gz", headers)
    with pytest.raises(DataError, match="cannot be unpacked"):
        archives.extract(path, tmp_path / "out")


def test_a_zip_with_a_damaged_name_ends_with_a_sentence(packed: Pack, tmp_path: Path):
    path = packed(("é", b"1", FILE))
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        archives.extract(path, tmp_path / "out")


def test_a_bomb_in_a_header_is_not_read_into_memory(tmp_path: Path):
    path = tar(tmp_path / "x.tar.gz", {"comment": "x" * 30_000_000})
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="header"):
            archives.extract(path, tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz"])
@pytest.mark.parametrize(("data", "told"), [(b"", "is empty"), (b"hello", "it is no archive")])
def test_what_is_no_archive_is_told_in_a_line(tmp_path: Path, name: str, data: bytes, told: str):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DataError, match=told) as caught:
        archives.extract(path, tmp_path / "out")
    assert "\n" not in caught.value.cause
