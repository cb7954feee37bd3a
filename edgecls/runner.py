"""The host's side of ``infer.py --serve``: a bundle in a process of its own, here or on a device.

Whatever the runtime does there (crash, hang, print) costs this one process. A process that is not
asked can be suspended, so that it does not disturb the one that is being measured.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from edgecls import trust
from edgecls.core import Images, Logits
from edgecls.device import golden
from edgecls.device.meta import Meta
from edgecls.errors import EdgeclsError, LostError, RunnerError
from edgecls.remote.host import Host
from edgecls.remote.local import HERE, NAME

# Long: at its first start TensorRT builds its engine.
START_TIMEOUT_S, ASK_TIMEOUT_S = 600.0, 600.0
INFER_TIMEOUT_S = 3600.0


class Runner:
    """A started bundle. Use it as a context manager. Raises TrustError before anything runs.

    suspends: whether it really stands still while it is suspended.
    """

    def __init__(
        self, bundle: Path, threads: int = 0, trust_code: bool = False, host: Host = HERE
    ) -> None:
        self.bundle, self.host = bundle, host
        self.meta: Meta = trust.check(bundle, trust_code)
        where = "" if host.name == NAME else f" on {host.name}"
        self.name = f"{self.meta.model} {self.meta.target} {self.meta.precision}{where}"
        self.suspends = True
        self._pending = b""
        self._suspended = False
        self._process = host.start(bundle, self.meta, threads)
        try:
            self.hello = self.ask({"do": "hello"}, START_TIMEOUT_S)
        except LostError:
            self.close()
            raise
        except EdgeclsError as error:
            self.close()
            raise host.mended(error) from None
        except BaseException:  # Ctrl-C as well: it does not reach the process itself
            self.close()
            raise

    def ask(self, request: Mapping[str, Any], timeout_s: float = ASK_TIMEOUT_S) -> dict[str, Any]:
        """One request's answer. Raises RunnerError where it fails, ends or takes too long."""
        self.resume()
        try:
            self._process.write(json.dumps(request).encode() + b"\n")
        except OSError:
            raise self._ended() from None
        line = self._line(timeout_s)
        answer = _object(line)
        if answer is None:
            raise RunnerError(f"{self.name} answered {line[:200]!r}: {self._process.said()}")
        if not answer.get("ok") and "error" in answer:
            raise RunnerError(f"{self.name}: {answer['error']}", str(answer.get("fix", "")))
        return answer

    def infer(self, images: Images, scratch: Path) -> Logits:
        """The logits of images. scratch: an existing folder for the arrays on the way."""
        import numpy as np

        given, answered = scratch / "images.npy", scratch / "logits.npy"
        np.save(given, np.asarray(images), allow_pickle=False)
        there = self.host.put({given.name: given})[given.name]
        answer = f"{there}.logits"
        self.ask({"do": "infer", "input": there, "output": answer}, INFER_TIMEOUT_S)
        self.host.get(answer, answered)
        logits: Logits = golden.load_array(str(answered))
        return logits

    def conditions(self) -> Mapping[str, Any]:
        """How its machine is doing (`edgecls.device.conditions`); empty where that is not told."""
        try:
            told = self.host.conditions()
            return self.ask({"do": "conditions"}, timeout_s=60.0) if told is None else told
        except RunnerError:  # an older harness; what is broken is told by the next request
            return {}

    @property
    def is_cut_off(self) -> bool:
        """Whether the connection to it has broken by now, perhaps while another was asked."""
        return self._process.control.lost(within_s=0.0) is not None

    def suspend(self) -> None:
        """Stop the process until it is asked again."""
        if not self._suspended and self._process.is_running:
            self._suspended = self._process.control.suspend()
            self.suspends = self.suspends and self._suspended

    def resume(self) -> None:
        """Let a suspended process go on."""
        if self._suspended:
            self._process.control.resume()
            self._suspended = False

    def close(self) -> None:
        """End the process; one that does not go is killed."""
        self.resume()
        self._process.close()

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
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.descriptor], [], [], left)[0]:
                self._process.kill()
                raise RunnerError(
                    f"{self.name} gave no answer in {timeout_s:.0f} s and was stopped: "
                    f"{self._process.said()}"
                )
            block = os.read(self._process.descriptor, 1 << 16)
            if not block:
                raise self._ended()
            self._pending += block
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _ended(self) -> RunnerError:
        how = self._process.ended()
        lost = self._process.control.lost()
        if lost is not None:
            return LostError(f"{self.name}: {lost.cause}", lost.fix)
        return RunnerError(f"{self.name} ended with {how}: {self._process.said()}")


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, or None for anything else."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
