"""A process with its children, within a time and a memory limit, and what it says last."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from edgecls.core import Outcome

_MEMORY_EACH_S = 0.5


class Watched:
    """A started process whose last line on stdout is an `Outcome` as JSON.

    memory_bytes: of it and its children together; 0: no limit, nor where the system does not tell.
    """

    def __init__(self, command: list[str], timeout_s: float, memory_bytes: int = 0) -> None:
        self._stdout = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _close
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _close
        self._timeout_s, self._memory_bytes = timeout_s, memory_bytes
        self._begin, self._looked = time.monotonic(), 0.0
        self._outcome: Outcome | None = None
        # A session of its own: it is ended with all that it has started.
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            stderr=self._stderr,
            start_new_session=True,
        )

    def outcome(self) -> Outcome | None:
        """How it ended; None while it is at work. One that is past a limit is ended here."""
        if self._outcome is None:
            self._outcome = self._ended() if self._popen.poll() is not None else self._past()
            if self._outcome is not None:
                self.kill()
                self._close()
        return self._outcome

    def kill(self) -> None:
        """End it and its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def _past(self) -> Outcome | None:
        """The outcome of one that takes too long or too much."""
        if time.monotonic() - self._begin > self._timeout_s:
            return Outcome(
                "failed",
                f"it did not end in {self._timeout_s:g} s and was stopped",
                "give it longer: --time-limit SECONDS",
            )
        if self._memory_bytes and time.monotonic() - self._looked > _MEMORY_EACH_S:
            self._looked = time.monotonic()
            if session_bytes(self._popen.pid) > self._memory_bytes:
                return Outcome(
                    "failed",
                    f"it needed more than {self._memory_bytes / 1e9:.1f} GB of memory and was "
                    "stopped",
                    "give it more: --jobs 1, or --memory GB",
                )
        return None

    def _ended(self) -> Outcome:
        status = self._popen.returncode
        line = _tail(self._stdout, 1)
        if status == 0 and line:
            with contextlib.suppress(ValueError, TypeError):
                return Outcome(**json.loads(line))
        how = f"exit status {status}"
        if status < 0:
            how = f"signal {signal.Signals(-status).name}"
            if status == -signal.SIGKILL:
                how += ", as the system does where memory runs out"
        return Outcome("failed", f"the converter ended with {how}: {_tail(self._stderr, 3)}")

    def _close(self) -> None:
        self._stdout.close()
        self._stderr.close()


def _tail(stream: IO[bytes], lines: int) -> str:
    stream.seek(0)
    said = stream.read().decode(errors="replace").strip().splitlines()[-lines:]
    return " | ".join(line.strip() for line in said)


def session_bytes(session: int) -> int:
    """The memory of all processes of a session that is theirs alone; 0 where nothing tells."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # After the name, which may hold anything: state, parent, group, session.
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += _own_bytes((folder / "status").read_text(errors="replace"))
    return total


def _own_bytes(status: str) -> int:
    kinds = ("RssAnon:", "RssShmem:")
    return sum(1024 * int(x.split()[1]) for x in status.splitlines() if x.startswith(kinds))


def available_bytes() -> int:
    """The memory that new processes can have; 0 where nothing tells."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return 0
