"""Files onto a device that has Python: only what is not there travels, and a copy goes on.

What is there is told by the device, by sha256; of a file whose copy was interrupted only the rest
is sent. The device puts a file in its place when its hash is right, and not before.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls.device.meta import sha256
from edgecls.errors import LostError, RunnerError
from edgecls.remote import agent
from edgecls.remote.shell import Shell, read_until

SOURCE = Path(agent.__file__)
BLOCK = 1 << 16

# Told the bytes that were sent so far, and all that are to be sent.
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Copied:
    """What a copy came to. root: the folder on the device; sent_bytes: what travelled."""

    root: str
    sent_files: int
    sent_bytes: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """Files of one folder of a device. root, parts: there, ``~`` is its user's home.

    exact: whether the folder must hold no other file.
    """

    root: str
    parts: str
    files: Mapping[str, Path]
    exact: bool = True

    def named(self) -> dict[str, tuple[str, int]]:
        """name -> sha256 and size."""
        return {name: (sha256(str(path)), path.stat().st_size) for name, path in self.files.items()}


class Agent:
    """`edgecls.remote.agent` at work on a device, with its pipes."""

    def __init__(self, shell: Shell, python: str, task: str) -> None:
        self._shell = shell
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        code = SOURCE.read_text(encoding="utf-8")
        self._popen = subprocess.Popen(
            shell.command('exec "$@"', python, "-E", "-c", code, task),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            process_group=0,
        )

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # nobody reads any more
                pipe.close()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._stderr.close()

    def begin(self, wanted: Mapping[str, Any]) -> None:
        """Send the first line. Raises RunnerError where the device has no such Python."""
        if read_until(self._popen, b"edgecls-agent", 60.0) is None:
            raise self.failed()
        self.send(json.dumps(wanted).encode() + b"\n")

    def send(self, data: bytes) -> None:
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(data)
            self._popen.stdin.flush()
        except OSError:
            raise self.failed() from None

    def answer(self, timeout_s: float) -> dict[str, Any]:
        line = read_until(self._popen, b"{", timeout_s)
        if line is None:
            raise self.failed()
        found: dict[str, Any] = json.loads(b"{" + line)
        if found.get("error"):
            raise RunnerError(f"{self._shell.name}: {found['error']}", "look at the device")
        return found

    def failed(self) -> RunnerError:
        """What became of it."""
        lost = self._shell.lost()
        if lost is not None:
            return LostError(lost.cause, lost.fix)
        self._popen.kill()
        self._popen.wait()
        rest = self._popen.stdout.read() if self._popen.stdout else b""
        self._stderr.seek(0)
        error = _told(rest)
        if error:
            return RunnerError(
                f"{self._shell.name}: {error}",
                "look at the device: its disk, and your rights there",
            )
        said = (rest + b"\n" + self._stderr.read()).decode(errors="replace").strip().splitlines()
        return RunnerError(
            f"{self._shell.name}: {said[-1] if said else 'its Python gave no answer'}",
            "it needs Python 3.8 or later as python3 (Debian, Ubuntu: sudo apt install python3"
            " python3-venv)",
        )


def _told(said: bytes) -> str:
    """The error that an agent answered with before it ended; empty where it did not."""
    for line in reversed(said.splitlines()):
        with contextlib.suppress(ValueError, AttributeError):
            error = json.loads(line).get("error")
            if error:
                return str(error)
    return ""


def copy(shell: Shell, python: str, wanted: Wanted, told: Told | None = None) -> Copied:
    """Copy what is missing. Raises RunnerError where it is not whole in the end, LostError."""
    named = wanted.named()
    first = _once(shell, python, wanted, named, told)
    if not first.problems:
        return first
    # A part that was damaged on the device was thrown away: now it travels whole.
    second = _once(shell, python, wanted, named, told)
    if second.problems:
        raise RunnerError(
            f"{shell.name}: the copy in {second.root} is wrong: {'; '.join(second.problems[:5])}",
            f"remove that folder on the device, and look at its disk: rm -r {second.root}",
        )
    return Copied(
        second.root, first.sent_files + second.sent_files, first.sent_bytes + second.sent_bytes
    )


def _once(
    shell: Shell,
    python: str,
    wanted: Wanted,
    named: Mapping[str, tuple[str, int]],
    told: Told | None,
) -> Copied:
    with Agent(shell, python, "copy") as there:
        there.begin(
            {
                "root": wanted.root,
                "parts": wanted.parts,
                "files": dict(named),
                "exact": wanted.exact,
            }
        )
        # The device reads every file that it holds; another copy may be at work before.
        held = {name: int(count) for name, count in there.answer(3600.0)["held"].items()}
        missing = {name: max(0, held[name]) for name in named if held[name] >= 0}
        total, sent = sum(named[name][1] - missing[name] for name in missing), 0
        for name, offset in missing.items():
            with wanted.files[name].open("rb") as stream:
                stream.seek(offset)
                while block := stream.read(BLOCK):
                    there.send(block)
                    sent += len(block)
                    if told is not None:
                        told(sent, total)
        answer = there.answer(600.0)
    problems = [f"{name} has changed on the way" for name in answer["wrong"]]
    problems += [f"{name} does not belong there" for name in answer["unlisted"]]
    return Copied(str(answer["root"]), len(missing), total, tuple(problems))
