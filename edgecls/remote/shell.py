"""Scripts of ``sh`` on a device, whatever carries them there.

A `Shell` says which command of this machine runs a script on the device, with that script's pipes.
A `Guard` is one such script that stays: it stops processes and lets them go on, at once, and when
the connection is gone it lets all go on, so that they find the end of their input and end.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Protocol

from edgecls.errors import EdgeclsError, LostError, RunnerError
from edgecls.remote.host import Process

READY = b"edgecls-ready"
PID = b"edgecls-pid "
QUICK_S = 30.0
AGAIN = "look at the device, and try again"

GUARD = f"""
echo {READY.decode()}
stopped=
while read -r name pid; do
  if kill "-$name" "$pid" 2>/dev/null; then echo "yes $name $pid"; else echo "no $name $pid"; fi
  stopped="$stopped $pid"
done
for pid in $stopped; do kill -CONT "$pid" 2>/dev/null; done
"""

# The shell stays as its parent, for it knows by which signal a process ended. In the background
# standard input is nothing, so it goes by another number; the shell itself keeps none of it.
START = f"""
cd "$1" || exit 1
shift
exec 3<&0 </dev/null
"$@" <&3 3<&- &
exec 3<&-
echo "{PID.decode()}$!"
wait $!
"""


class Shell(Protocol):
    """How a device is reached. name: the device's."""

    name: str

    def command(self, script: str, *arguments: str) -> list[str]:
        """The command of this machine that runs a script there. Raises EdgeclsError, LostError.

        arguments: the script's ``$1``, ``$2`` …; they may hold anything.
        """
        ...

    def lost(self) -> EdgeclsError | None:
        """Why the device cannot be reached any more; None while it can."""
        ...


def line_of(script: str, *arguments: str) -> str:
    """One line for a device's login shell, whichever it is: every word is quoted."""
    return "exec " + shlex.join(["sh", "-c", script, "sh", *arguments])


def run(
    shell: Shell, script: str, *arguments: str, stdin: bytes = b"", timeout_s: float = QUICK_S
) -> bytes:
    """What a script prints on the device. Raises RunnerError where it fails, LostError."""
    command = shell.command(script, *arguments)
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, timeout=timeout_s, process_group=0
        )
    except subprocess.TimeoutExpired:
        raise shell.lost() or RunnerError(
            f"{shell.name} gave no answer in {timeout_s:.0f} s", AGAIN
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        why = " | ".join(said) or f"exit status {done.returncode}"
        raise shell.lost() or RunnerError(f"{shell.name}: {why}")
    return done.stdout


class Guard:
    """Signals to processes of a device, over one connection that stays open."""

    def __init__(self, shell: Shell, command: list[str]) -> None:
        """command: runs `GUARD` on the device. Raises RunnerError where that does not begin."""
        self._shell = shell
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            process_group=0,  # Ctrl-C is for us alone: the connection is still needed to clean up
        )
        if read_until(self._popen, READY, QUICK_S) is None:
            said = self.close()
            raise RunnerError(said or f"{shell.name} gave no answer in {QUICK_S:.0f} s")

    def has_ended(self, within_s: float) -> bool:
        """Whether it ends in that time, and with it the connection."""
        try:
            self._popen.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def signal(self, name: str, pid: int) -> bool:
        """Send a signal; whether it arrived."""
        line = f"{name} {pid}".encode()
        try:
            assert self._popen.stdin is not None
            self._popen.stdin.write(line + b"\n")
            self._popen.stdin.flush()
        except (OSError, ValueError):  # the connection is gone, or was closed
            return False
        # By name and number: the answer to an earlier one may come late.
        return read_until(self._popen, b"yes " + line, 10.0, b"no " + line) is not None

    def said(self) -> str:
        """What was said on stderr."""
        if self._stderr.closed:
            return ""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace").strip()

    def close(self) -> str:
        """End it. Returns what was said on stderr."""
        if self._stderr.closed:
            return ""
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        said = self.said()
        self._stderr.close()
        return said


@dataclass
class _Remote:
    """The control of a process on a device."""

    shell: Shell
    guard: Guard
    pid: int

    def suspend(self) -> bool:
        return self.guard.signal("STOP", self.pid)

    def resume(self) -> None:
        self.guard.signal("CONT", self.pid)

    def kill(self) -> None:
        self.guard.signal("KILL", self.pid)

    def lost(self, within_s: float = 2.0) -> EdgeclsError | None:
        # What goes over a connection ends a moment before the connection is seen to end.
        if not self.guard.has_ended(within_s):
            return None
        return self.shell.lost() or LostError(f"the connection to {self.shell.name} broke", AGAIN)


def start(shell: Shell, guard: Guard, folder: str, command: list[str]) -> Process:
    """Start a command on the device in a folder of it. Raises RunnerError, LostError."""
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by Process.close
    popen = subprocess.Popen(
        shell.command(START, folder, *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        process_group=0,
    )
    control = _Remote(shell, guard, 0)
    process = Process(popen, stderr, control, by_shell=True)
    line = read_until(popen, PID, QUICK_S)
    if line is None or not line.isdigit() or int(line) < 2:
        popen.kill()
        why = process.said()
        process.close()
        lost = shell.lost()
        if lost is not None:
            raise LostError(lost.cause, lost.fix)
        raise RunnerError(f"{shell.name} does not start {command[0]}: {why}")
    control.pid = int(line)
    return process


def read_until(
    popen: subprocess.Popen[Any], begin: bytes, timeout_s: float, otherwise: bytes | None = None
) -> bytes | None:
    """The rest of the first line that begins so; None at the end, in time, or `otherwise`.

    Lines before it are passed over: a device's login shell may print what it likes.
    """
    assert popen.stdout is not None
    descriptor, line = popen.stdout.fileno(), b""
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return None
        # Byte by byte: what follows the line is somebody else's.
        byte = os.read(descriptor, 1)
        if not byte:
            return None
        if byte != b"\n":
            line += byte
        elif line.startswith(begin):
            return line[len(begin) :].strip()
        elif otherwise is not None and line.startswith(otherwise):
            return None
        else:
            line = b""
