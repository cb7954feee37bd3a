"""The seam between a bundle's runner and the machine that it runs on.

Every process has pipes on this machine: its own, or those of the ssh or adb client that carries
them. What a host does besides is its `Control`: stop a process for a while, end it, and tell a lost
connection from a process that ended.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from edgecls.device.meta import Meta
from edgecls.errors import EdgeclsError


class Control(Protocol):
    """What is done to a process from outside, on the machine where it runs."""

    def suspend(self) -> bool:
        """Stop it for a while; whether that worked."""
        ...

    def resume(self) -> None: ...

    def kill(self) -> None: ...

    def lost(self, within_s: float = 2.0) -> EdgeclsError | None:
        """Why its connection has ended, or ends in that time; None where it stands."""
        ...


@dataclass
class Process:
    """A started runner. stderr: a file on this machine that holds what it says there.

    by_shell: whether a shell waits for it, which tells a signal as a status above 128.
    """

    popen: subprocess.Popen[bytes]
    stderr: IO[bytes]
    control: Control
    by_shell: bool = False

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    def write(self, data: bytes) -> None:
        """Raises OSError where nobody reads any more."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    @property
    def descriptor(self) -> int:
        """Of the pipe that it answers on."""
        assert self.popen.stdout is not None
        return self.popen.stdout.fileno()

    def kill(self) -> None:
        """End it at once, wherever it is, and whatever carries it here."""
        self.control.kill()
        self.popen.kill()

    def ended(self, timeout_s: float = 5.0) -> str:
        """How it ended; one that does not end is killed."""
        try:
            status = self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.popen.wait()
        if self.by_shell and 128 < status < 255:
            status = 128 - status
        if status < 0:
            with contextlib.suppress(ValueError):  # a real-time signal has no name
                return f"signal {signal.Signals(-status).name}"
        return f"exit status {status}"

    def said(self) -> str:
        """The last lines that it wrote to stderr, as one."""
        self.stderr.seek(0)
        tail = self.stderr.read().decode(errors="replace").strip().splitlines()[-12:]
        return " | ".join(line.strip() for line in tail) or "it said nothing"

    def close(self) -> None:
        """Close its input, which ends it; one that stays is killed."""
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):  # it has ended already
                self.popen.stdin.close()
        self.ended()
        if self.popen.stdout is not None:
            self.popen.stdout.close()
        self.stderr.close()


class Host(Protocol):
    """A machine that runs bundles.

    name: `Measurement.device`. decodes: whether its runners decode images; one that does not is
    given tensors.
    """

    name: str
    decodes: bool

    def start(self, bundle: Path, meta: Meta, threads: int) -> Process:
        """Start the runner of a bundle, whose files were checked; it is copied where it is missing.

        Raises SkippedError where this host cannot run it as things are, LostError, RunnerError.
        """
        ...

    def mended(self, error: EdgeclsError) -> EdgeclsError:
        """An error of a runner's start, with the fix that helps on this host."""
        ...

    def put(self, files: Mapping[str, Path]) -> Mapping[str, str]:
        """Where these files lie on this host, once they have been copied there."""
        ...

    def get(self, path: str, to: Path) -> None:
        """Copy a file of this host to this machine."""
        ...

    def environment(self) -> Mapping[str, Any]:
        """What stands beside a figure: machine, processor, system."""
        ...

    def conditions(self) -> Mapping[str, Any] | None:
        """As `edgecls.device.conditions`; None where the runner is to be asked."""
        ...

    def close(self) -> None: ...
