"""This machine as a host: what a bundle runs on unless something else is asked."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecls import hardware, isolated
from edgecls.device.meta import Meta
from edgecls.errors import EdgeclsError
from edgecls.remote.host import Host, Process

# `Measurement.device` of what is measured here.
NAME = "host"


@dataclass
class _Signals:
    """The control of a process that is our own child."""

    popen: subprocess.Popen[bytes]

    def suspend(self) -> bool:
        self.popen.send_signal(signal.SIGSTOP)
        return True

    def resume(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.popen.kill()

    def lost(self, within_s: float = 2.0) -> EdgeclsError | None:
        return None


def started(command: list[str]) -> Process:
    """A process of this machine that answers requests."""
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by Process.close
    popen = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=tempfile.gettempdir(),
        process_group=0,  # Ctrl-C is the host's to handle; an orphan that is stopped is hung up
    )
    return Process(popen, stderr, _Signals(popen))


class LocalHost:
    """Runs a bundle in a process beside this one, in this Python, isolated from its settings."""

    name = NAME
    decodes = True

    def start(self, bundle: Path, meta: Meta, threads: int) -> Process:
        # Isolated: no PYTHONPATH, and nothing beside the runner goes before them.
        command = [sys.executable, *isolated.flags(), "-B", str((bundle / "infer.py").resolve())]
        return started([*command, "--serve", "--threads", str(threads)])

    def mended(self, error: EdgeclsError) -> EdgeclsError:
        return error

    def put(self, files: Mapping[str, Path]) -> Mapping[str, str]:
        # Absolute: the runner works in a folder of its own.
        return {name: str(path.resolve()) for name, path in files.items()}

    def get(self, path: str, to: Path) -> None:
        if Path(path) != to.resolve():
            shutil.copyfile(path, to)

    def environment(self) -> Mapping[str, Any]:
        return hardware.environment()

    def conditions(self) -> Mapping[str, Any] | None:
        return None

    def close(self) -> None:
        return None


HERE = LocalHost()


def here(bundles: Sequence[Path]) -> list[tuple[Path, Host]]:
    """Bundles that are to run on this machine."""
    return [(bundle, HERE) for bundle in bundles]
