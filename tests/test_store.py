"""A stage is built once, whole, by whoever comes first; a killed one goes on."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecls.errors import BusyError
from edgecls.store import Store, key_of, link, located, lock

INPUTS = {"stage": "model", "version": 1, "options": {"lr": 0.1}, "parents": ["a", "b"]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def build(out: Path, work: Path) -> None:
    (out / "result").write_text("made")


def visible(store: Store) -> list[str]:
    """What a reader sees: entries, not what is being made."""
    return sorted(path.name for path in store.root.iterdir() if not path.name.startswith("."))


def test_the_same_inputs_are_one_entry_built_once(store: Store) -> None:
    built = []

    def counted(out: Path, work: Path) -> None:
        built.append(out)
        build(out, work)

    first = store.make("train", INPUTS, counted)
    second = store.make("train", dict(reversed(INPUTS.items())), counted)
    assert len(built) == 1
    assert (first.cached, second.cached) == (False, True)
    assert first.out == second.out == store.root / key_of(INPUTS) / "out"
    assert (second.out / "result").read_text() == "made"
    assert second.seconds == pytest.approx(first.seconds, abs=1e-3)
    assert store.find(first.key) == second


def test_an_entry_says_what_it_was_made_from(store: Store) -> None:
    entry = store.make("train", INPUTS, build)
    record = json.loads((entry.folder / "stage.json").read_text(encoding="utf-8"))
    assert (record["stage"], record["inputs"]) == ("train", INPUTS)
    assert not (store.root / ".work" / entry.key).exists()
    assert visible(store) == [entry.key]


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"options": {"lr": 0.2}}, {"parents": ["b", "a"]}, {"seed": None}],
)
def test_other_inputs_are_another_entry(change: dict) -> None:
    assert key_of({**INPUTS, **change}) != key_of(INPUTS)


def test_a_key_is_a_short_file_name_even_for_names_that_are_not_utf_8(store: Store) -> None:
    inputs = {"name": "caf\udce9", "label": "Käfer"}
    assert key_of(inputs).isalnum()
    entry = store.make("model", inputs, build)
    record = json.loads((entry.folder / "stage.json").read_text(encoding="utf-8"))
    assert record["inputs"] == inputs


def test_a_stage_that_fails_leaves_no_entry_and_keeps_its_work(store: Store) -> None:
    def fails(out: Path, work: Path) -> None:
        (work / "epoch").write_text("7")
        (out / "half").write_text("of it")
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        store.make("train", INPUTS, fails)
    key = key_of(INPUTS)
    assert store.find(key) is None
    assert visible(store) == []

    def goes_on(out: Path, work: Path) -> None:
        assert work == store.workdir(key)
        assert (work / "epoch").read_text() == "7"
        assert list(out.iterdir()) == []
        build(out, work)

    assert [path.name for path in store.make("train", INPUTS, goes_on).out.iterdir()] == ["result"]
    assert not store.workdir(key).exists()


def test_an_entry_without_its_record_is_made_again(store: Store) -> None:
    entry = store.make("train", INPUTS, build)
    (entry.folder / "stage.json").unlink()
    (entry.out / "stray").write_text("from before")
    assert store.find(entry.key) is None
    again = store.make("train", INPUTS, build)
    assert not again.cached
    assert [path.name for path in again.out.iterdir()] == ["result"]


# Makes the entry of INPUTS; waits in the middle until a file appears.
CHILD = f"""
import sys, time
from pathlib import Path
from edgecls.store import Store

root, name = Path(sys.argv[1]), sys.argv[2]

def build(out, work):
    (work / "epoch").write_text(name)
    (out / "result").write_text("half")
    (root / ("building-" + name)).touch()
    while not (root / "go").exists():
        time.sleep(0.01)
    (out / "result").write_text("made")

print(Store(root / "store").make("train", {INPUTS!r}, build).cached)
"""


def child(root: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(root), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path.name} never appeared")


def test_two_processes_build_an_entry_once(store: Store, tmp_path: Path) -> None:
    first = child(tmp_path, "first")
    wait_for(tmp_path / "building-first")
    second = child(tmp_path, "second")
    assert visible(store) == []
    (tmp_path / "go").touch()
    cached = [process.communicate()[0].strip() for process in (first, second)]
    assert (cached, first.returncode, second.returncode) == (["False", "True"], 0, 0)
    assert not (tmp_path / "building-second").exists()
    found = store.find(key_of(INPUTS))
    assert found is not None
    assert (found.out / "result").read_text() == "made"


def test_one_killed_in_the_middle_is_built_again_from_its_work(
    store: Store, tmp_path: Path
) -> None:
    killed = child(tmp_path, "killed")
    wait_for(tmp_path / "building-killed")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    key = key_of(INPUTS)
    assert store.find(key) is None
    assert visible(store) == []
    assert (store.workdir(key) / "epoch").read_text() == "killed"

    def goes_on(out: Path, work: Path) -> None:
        assert (work / "epoch").read_text() == "killed"
        assert list(out.iterdir()) == []
        build(out, work)

    entry = store.make("train", INPUTS, goes_on)
    assert (entry.out / "result").read_text() == "made"


def test_a_lock_that_another_holds_is_busy_and_free_afterwards(tmp_path: Path) -> None:
    with lock(tmp_path / "locks" / "a", wait=False):
        with (
            pytest.raises(BusyError, match="someone is at work"),
            lock(tmp_path / "locks" / "a", wait=False, busy="someone is at work"),
        ):
            raise AssertionError("two hold it")
        with lock(tmp_path / "locks" / "b", wait=False):
            pass
    with lock(tmp_path / "locks" / "a", wait=False):
        pass


def test_a_name_points_at_its_entry_and_can_be_pointed_anew(store: Store, tmp_path: Path) -> None:
    first = store.make("train", INPUTS, build)
    second = store.make("train", {**INPUTS, "seed": 1}, build)
    name = tmp_path / "run" / "models" / "student"
    for entry in (first, second):
        link(name, entry.out)
        assert (name / "result").read_text() == "made"
        assert name.resolve() == entry.out.resolve()
        assert not name.readlink().is_absolute()
    assert [path.name for path in name.parent.iterdir()] == ["student"]


def test_names_hold_when_the_whole_folder_moves(tmp_path: Path) -> None:
    # Reached by a link, as a folder on another disk is.
    (tmp_path / "disk" / "deep").mkdir(parents=True)
    (tmp_path / "runs").symlink_to("disk/deep", target_is_directory=True)
    store = Store(tmp_path / "runs" / ".store")
    link(tmp_path / "runs" / "demo" / "student", store.make("train", INPUTS, build).out)
    shutil.move(tmp_path / "disk" / "deep", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "demo" / "student" / "result").read_text() == "made"


@pytest.mark.parametrize(("name", "told"), [(None, "here"), ("file", "file")])
def test_an_error_of_the_disk_names_a_file_or_the_folder(name, told):
    with pytest.raises(OSError, match="No space") as caught, located(Path("here")):
        raise OSError(errno.ENOSPC, "No space left on device", name)
    assert str(caught.value) == f"[Errno 28] No space left on device: '{told}'"
