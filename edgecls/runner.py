"""The host's side of ``infer.py --serve``: a bundle in a process of its own.

Whatever the runtime does there (crash, hang, print) costs this one process. A process that is not
asked can be suspended, so that it does not disturb the one that is being measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecls import trust
from edgecls.device.meta import Meta
from edgecls.errors import RunnerError

# Long: at its first start TensorRT builds its engine.
START_TIMEOUT_S, ASK_TIMEOUT_S = 600.0, 600.0


class Runner:
    """A started bundle. Use it as a context manager. Raises TrustError before anything runs."""

    def __init__(self, bundle: Path, threads: int = 0, trust_code: bool = False) -> None:
        self.bundle = bundle
        self.meta: Meta = trust.check(bundle, trust_code)
        self.name = f"{self.meta.model} {self.meta.target} {self.meta.precision}"
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._pending = b""
        self._suspended = False
        # Isolated: no PYTHONPATH, no user site, and nothing beside the runner goes before them.
        command = [sys.executable, "-I", "-B", str((bundle / "infer.py").resolve())]
        self._process = subprocess.Popen(
            [*command, "--serve", "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=tempfile.gettempdir(),
            process_group=0,  # Ctrl-C is the host's to handle; an orphan that is stopped is hung up
        )
        try:
            self.hello = self.ask({"do": "hello"}, START_TIMEOUT_S)
        except BaseException:  # Ctrl-C as well: it does not reach the process itself
            self.close()
            raise

    def ask(self, request: Mapping[str, Any], timeout_s: float = ASK_TIMEOUT_S) -> dict[str, Any]:
        """One request's answer. Raises RunnerError where it fails, ends or takes too long."""
        self.resume()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None
        line = self._line(timeout_s)
        answer = _object(line)
        if answer is None:
            raise RunnerError(f"{self.name} answered {line[:200]!r}{self._said()}")
        if not answer.get("ok") and "error" in answer:
            raise RunnerError(f"{self.name}: {answer['error']}", str(answer.get("fix", "")))
        return answer

    def suspend(self) -> None:
        """Stop the process until it is asked again."""
        if not self._suspended and self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP)
            self._suspended = True

    def resume(self) -> None:
        """Let a suspended process go on."""
        if self._suspended:
            self._process.send_signal(signal.SIGCONT)
            self._suspended = False

    def close(self) -> None:
        """End the process; one that does not go is killed."""
        self.resume()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._stderr.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _line(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                self._process.kill()
                raise RunnerError(
                    f"{self.name} gave no answer in {timeout_s:.0f} s and was stopped{self._said()}"
                )
            block = os.read(descriptor, 1 << 16)
            if not block:
                raise self._ended()
            self._pending += block
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _ended(self) -> RunnerError:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        how = f"exit status {status}"
        if status < 0:
            with contextlib.suppress(ValueError):  # a real-time signal has no name
                how = f"signal {signal.Signals(-status).name}"
        return RunnerError(f"{self.name} ended with {how}{self._said()}")

    def _said(self) -> str:
        """The last lines that the process wrote to stderr, as the end of a sentence."""
        self._stderr.seek(0)
        tail = self._stderr.read().decode(errors="replace").strip().splitlines()[-12:]
        return ": " + (" | ".join(line.strip() for line in tail) or "it said nothing")


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, or None for anything else."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
