"""Results of stages, kept by the hash of what they were made from.

An entry is ``<root>/<key>/``: ``out/`` is the result and ``stage.json`` says what made it. It is
built in ``<root>/.work/<key>/`` and renamed into place, so an entry that exists is whole. What a
stage leaves in its work folder survives a kill: a training goes on from its last epoch.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls.errors import BusyError
from edgecls.rundir import write_text


def key_of(inputs: Mapping[str, Any]) -> str:
    """A stage's key: a hash of the JSON of everything that its result depends on."""
    text = json.dumps(inputs, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Entry:
    """A finished stage. out: its result's folder, beside its stage.json."""

    key: str
    out: Path
    seconds: float = 0.0
    cached: bool = True

    @property
    def folder(self) -> Path:
        return self.out.parent


class Store:
    """A folder of finished stages, safe under several processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, key: str) -> Entry | None:
        """The finished entry of a key."""
        folder = self.root / key
        try:
            record = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
            return Entry(key, folder / "out", float(record["seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # not there, or damaged: it is built anew

    def workdir(self, key: str) -> Path:
        """Where an unfinished stage keeps what it needs to go on."""
        return self.root / ".work" / key / "work"

    def shared(self, inputs: Mapping[str, Any]) -> Path:
        """A folder that is no stage's own: for what several can use, each file whole by itself."""
        folder = self.root / ".shared" / key_of(inputs)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make(
        self, name: str, inputs: Mapping[str, Any], build: Callable[[Path, Path], None]
    ) -> Entry:
        """The entry of `inputs`, built by ``build(out, workdir)`` unless it exists.

        A second process that wants the same entry waits for the first.
        """
        key = key_of(inputs)
        with lock(self.root / ".locks" / key, wait=True):
            found = self.find(key)
            if found:
                return found
            work, out = self.workdir(key), self.root / ".work" / key / "entry" / "out"
            shutil.rmtree(out.parent, ignore_errors=True)
            work.mkdir(parents=True, exist_ok=True)
            out.mkdir(parents=True)
            begin = time.monotonic()
            with located(self.root):
                build(out, work)
            seconds = time.monotonic() - begin
            record = {"stage": name, "seconds": round(seconds, 3), "inputs": inputs}
            write_text(out.parent / "stage.json", json.dumps(record, indent=1) + "\n")
            shutil.rmtree(self.root / key, ignore_errors=True)  # a folder without its stage.json
            out.parent.rename(self.root / key)
            shutil.rmtree(work.parent, ignore_errors=True)
            return Entry(key, self.root / key / "out", seconds, cached=False)


@contextmanager
def located(folder: Path) -> Iterator[None]:
    """An OSError that names no file, such as one of a full disk, gets the name of `folder`."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(folder)
        raise


@contextmanager
def lock(path: Path, wait: bool, busy: str = "") -> Iterator[None]:
    """Hold a file's lock; the kernel frees it when the process ends, however it ends.

    Raises BusyError with the message `busy` where another process holds it and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise BusyError(busy, "wait for it, or choose another folder with --out") from error
        yield


def link(name: Path, entry: Path) -> None:
    """Make `name` a relative symbolic link to a store entry's folder, replacing an older link."""
    name.parent.mkdir(parents=True, exist_ok=True)
    beside = name.with_name(name.name + ".part")
    beside.unlink(missing_ok=True)
    # Both resolved: it stays right where the whole folder is moved, or was reached by a link.
    target = os.path.relpath(entry.resolve(), name.parent.resolve())
    beside.symlink_to(target, target_is_directory=True)
    beside.replace(name)
