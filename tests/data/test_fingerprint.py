from __future__ import annotations

import json
import os
import shutil

import pytest

from edgecls.data import fingerprint, scan


@pytest.fixture
def root(folder):
    made = folder({"a": 3, "b": 3})
    _age(made)
    return made


def _age(root):
    for entry in root.rglob("*.png"):
        os.utime(entry, ns=(10**18, 10**18))


def _module():
    import sys

    return sys.modules["edgecls.data.fingerprint"]


def test_is_the_content_not_the_place_or_the_time(root, tmp_path):
    before = fingerprint(scan(root))
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    assert fingerprint(scan(tmp_path / "copy")) == before
    assert fingerprint(scan(root), workers=1) == before


def test_changes_with_any_byte_name_or_class(root):
    seen = {fingerprint(scan(root))}
    with (root / "a/000.png").open("ab") as stream:
        stream.write(b"\0")
    seen.add(fingerprint(scan(root)))
    (root / "a/001.png").rename(root / "a/9.png")
    seen.add(fingerprint(scan(root)))
    (root / "a/9.png").rename(root / "b/9.png")
    seen.add(fingerprint(scan(root)))
    assert len(seen) == 4


def test_the_cache_spares_reading_what_has_not_changed(root, tmp_path, monkeypatch):
    cache = tmp_path / "cache" / "hashes.json"
    before = fingerprint(scan(root), cache)
    read = []
    original = _module().hash_file
    monkeypatch.setattr(_module(), "hash_file", lambda path: read.append(path) or original(path))
    assert fingerprint(scan(root), cache) == before
    assert read == []
    (root / "a/000.png").write_bytes(b"other")
    assert fingerprint(scan(root), cache) != before
    assert read == [root / "a/000.png"]
    assert [path.name for path in cache.parent.iterdir()] == ["hashes.json"]


def test_a_file_written_a_moment_ago_is_not_believed_later(root, tmp_path):
    cache = tmp_path / "hashes.json"
    (root / "a/000.png").write_bytes(b"new")
    fingerprint(scan(root), cache)
    kept = json.loads(cache.read_text())["files"]
    assert len(kept) == 5
    assert not any(name.endswith("a/000.png") for name in kept)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"format": 99}', '{"format": 1, "files": {"x": 3}}']
)
def test_a_damaged_cache_is_made_again(root, tmp_path, damage):
    cache = tmp_path / "hashes.json"
    cache.write_text(damage)
    assert fingerprint(scan(root), cache) == fingerprint(scan(root))
    assert len(json.loads(cache.read_text())["files"]) == 6


def test_the_cache_is_whole_or_as_it_was_when_writing_fails(root, tmp_path, monkeypatch):
    cache = tmp_path / "hashes.json"
    fingerprint(scan(root), cache)
    before = cache.read_bytes()
    os.utime(root / "a/000.png", ns=(2, 2))

    def fail(self, target):
        raise OSError("no")

    with monkeypatch.context() as patched:
        patched.setattr(_module().Path, "replace", fail)
        with pytest.raises(OSError, match="no"):
            fingerprint(scan(root), cache)
    assert cache.read_bytes() == before
    assert list(tmp_path.glob("*.part")) == []


def test_one_cache_serves_two_folders_and_forgets_files_that_are_gone(root, tmp_path):
    cache = tmp_path / "hashes.json"
    other = tmp_path / "other"
    shutil.copytree(root, other)
    fingerprint(scan(root), cache)
    fingerprint(scan(other), cache)
    (root / "a/000.png").unlink()
    os.utime(root / "a/001.png", ns=(3, 3))
    fingerprint(scan(root), cache)
    kept = json.loads(cache.read_text())["files"]
    assert len(kept) == 5 + 6


def test_says_how_far_it_is(root):
    steps = []

    class Recorder:
        def step(self, done, total, note=""):
            steps.append((done, total))

    fingerprint(scan(root), progress=Recorder())
    assert steps == [(done, 6) for done in range(1, 7)]
