"""Archives: what is in them is looked at before any of it is written."""

from __future__ import annotations

import io
import tarfile

import pytest

from edgecls.archives import Limits
from edgecls.core import SilentProgress
from edgecls.data import find, scan
from edgecls.data.sources import archive
from edgecls.errors import DataError


@pytest.fixture
def tar(tmp_path):
    """Write an archive of members: (name, bytes, or a type of tarfile as text)."""

    def make(*members, name="x.tar.gz"):
        path = tmp_path / name
        with tarfile.open(path, "w:gz") as stream:
            for member, what in members:
                info = tarfile.TarInfo(member)
                data = what if isinstance(what, bytes) else b""
                info.size = len(data)
                if not isinstance(what, bytes):
                    info.type, info.linkname = what.encode(), "/etc/passwd"
                stream.addfile(info, io.BytesIO(data))
        return path

    return make


def unpack(path, tmp_path):
    (tmp_path / "work").mkdir(exist_ok=True)
    find(path).unpack(tmp_path / "out", tmp_path / "work", SilentProgress())
    return scan(tmp_path / "out")


def test_a_folder_of_classes_below_one_at_the_top(tar, tmp_path):
    path = tar(("flowers/rose/1.jpg", b"r"), ("flowers/lily/1.jpg", b"l"), ("flowers/.x", b""))
    assert unpack(path, tmp_path).labels == ("lily", "rose")


def test_train_alone_is_a_split_and_no_top_folder(tar, tmp_path):
    listing = unpack(tar(("train/a/1.jpg", b"a"), ("train/b/1.jpg", b"b")), tmp_path)
    assert listing.given_splits == ("train",)


def test_a_manifest_in_it_counts(tar, tmp_path):
    table = b"path,label\nimages/1.jpg,a\nimages/2.jpg,b\n"
    path = tar(("top/manifest.csv", table), ("top/images/1.jpg", b"1"), ("top/images/2.jpg", b"2"))
    assert unpack(path, tmp_path).labels == ("a", "b")


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (("../out.jpg", b"x"), "leads out"),
        (("a/../../out.jpg", b"x"), "leads out"),
        (("/etc/out.jpg", b"x"), "leads out"),
        (("a/link.jpg", tarfile.SYMTYPE.decode()), "link or a device"),
        (("a/hard.jpg", tarfile.LNKTYPE.decode()), "link or a device"),
        (("a/pipe.jpg", tarfile.FIFOTYPE.decode()), "link or a device"),
        (("a/device.jpg", tarfile.CHRTYPE.decode()), "link or a device"),
        (("a/disk.jpg", tarfile.BLKTYPE.decode()), "link or a device"),
    ],
)
def test_a_member_that_is_no_plain_file_below_it_is_refused(tar, tmp_path, member, reason):
    path = tar(("a/1.jpg", b"1"), ("b/1.jpg", b"2"), member)
    with pytest.raises(DataError, match=reason):
        unpack(path, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"work", "x.tar.gz"}
    assert list((tmp_path / "work").iterdir()) == []


def test_more_bytes_than_the_limit_are_not_written(tar, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LIMITS", Limits(bytes=1000))
    assert unpack(tar(("a/1", b"1" * 500), ("b/1", b"2" * 500)), tmp_path)
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        unpack(tar(("a/1", b"1" * 500), ("b/1", b"2" * 501), name="y.tgz"), tmp_path)


def test_more_members_than_the_limit_are_not_written(tar, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LIMITS", Limits(members=2))
    with pytest.raises(DataError, match="more than 2 members"):
        unpack(tar(("a/1", b"1"), ("b/1", b"2"), ("b/2", b"3")), tmp_path)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_archive_ends_with_a_sentence(tar, tmp_path, damage):
    path = tar(("a/1.jpg", b"1" * 5000), ("b/1.jpg", bytes(range(256)) * 20))
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"<html>", "empty": b""}[damage])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(path, tmp_path)


def test_an_archive_in_an_archive_is_not_unpacked(tar, tmp_path):
    inner = tar(("a/1", b"1"), ("b/1", b"2")).read_bytes()
    with pytest.raises(DataError, match="no class folders"):
        unpack(tar(("x.tar.gz", inner), name="outer.tar.gz"), tmp_path)


def test_what_is_no_set_of_images_is_told_of_the_archive(tar, tmp_path):
    path = tar(("x/readme.txt", b"1"), ("x/more.txt", b"2"))
    with pytest.raises(DataError) as caught:
        unpack(path, tmp_path)
    assert caught.value.cause.startswith(f"{path}: x has no class folders: 2 files lie directly")
    assert f"{path}: x/cat/1.jpg" in caught.value.fix
    assert str(tmp_path / "work") not in caught.value.cause + caught.value.fix
    assert not (tmp_path / "out").exists()
