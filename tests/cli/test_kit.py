"""``edgecls kit``: the sources of the kits in other languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecls.kits import SOURCES, kits_folder, source_files


@pytest.mark.parametrize("name", SOURCES)
def test_it_writes_the_sources_the_schema_and_how_to_build_them(edgecls, name: str) -> None:
    ended = edgecls("kit", name, "--out", "there/mine")
    assert ended.status == 0 and not ended.err
    found = {path for path in Path("there/mine").rglob("*") if path.is_file()}
    names = {path.relative_to("there/mine").as_posix() for path in found}
    assert {"README.md", "meta.schema.json"} < names == set(source_files(name))
    for path in found:
        original = kits_folder() / name / path.relative_to("there/mine")
        if path.name == "meta.schema.json":
            original = kits_folder() / path.name
        assert path.read_bytes() == original.read_bytes()
    assert f"{len(names)} files in there/mine" in ended.out


def test_without_a_folder_it_takes_the_kits_name(edgecls) -> None:
    assert edgecls("kit", "swift").status == 0
    assert Path("swift/Package.swift").is_file()
    again = edgecls("kit", "swift")
    assert again.status == 2 and "swift exists already" in again.err


def test_nothing_is_written_over_something_else(edgecls, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("years of work")
    ended = edgecls("kit", "cpp", "--out", tmp_path / "mine")
    assert ended.status == 2 and "exists already" in ended.err
    assert edgecls("kit", "cpp", "--out", "/proc/x").status == 2
    assert (tmp_path / "mine").read_text() == "years of work"


def test_an_unknown_kit_is_told_with_those_that_are_there(edgecls) -> None:
    ended = edgecls("kit", "kotlni")
    assert ended.status == 2
    assert "did you mean 'kotlin'? valid: cpp, kotlin, swift" in ended.err
