"""Energy over what is measured: of an Intel or AMD processor by RAPL, of a Jetson by tegrastats.

Both tell of the whole processor or module, whatever else runs on it. Where neither does, nothing
is told: RAPL's counters are, on most systems, for root alone.
"""

import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import IO, Any, Callable, Dict, List, Optional

from . import readings

RAPL = "sys/class/powercap/intel-rapl:*"
INTERVAL_MS = 100
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


class Rapl:
    """The counters of all processor packages. root: where ``sys`` lies."""

    def __init__(self, root: str = "/") -> None:
        found = [_Counter(path) for path in sorted(glob.glob(os.path.join(root, RAPL)))]
        self._counters = [each for each in found if each.is_package]
        self._begin: List[Optional[int]] = []

    @property
    def tells(self) -> bool:
        return bool(self._counters) and all(
            each.microjoules() is not None for each in self._counters
        )

    def begin(self) -> None:
        self._begin = [each.microjoules() for each in self._counters]

    def end(self, seconds: float) -> Dict[str, Any]:
        total = 0
        for counter, before in zip(self._counters, self._begin):
            after = counter.microjoules()
            if before is None or after is None:
                return {}
            total += counter.between(before, after)
        return {"joules": total / 1e6, "source": "rapl"}

    def close(self) -> None:
        pass


class _Counter:
    """One zone of the kernel's powercap; it starts again at 0 above its range."""

    def __init__(self, path: str) -> None:
        self._path = path
        # Its parts, such as intel-rapl:0:0, are in a package's; psys is more than the processor.
        is_part = os.path.basename(path).count(":") > 1
        self.is_package = not is_part and self._text("name").startswith("package")

    def microjoules(self) -> Optional[int]:
        text = self._text("energy_uj")
        return int(text) if text.isdigit() else None

    def between(self, before: int, after: int) -> int:
        if after >= before:
            return after - before
        highest = self._text("max_energy_range_uj")
        return after - before + (int(highest) if highest.isdigit() else before)

    def _text(self, name: str) -> str:
        try:
            with open(os.path.join(self._path, name), encoding="ascii", errors="replace") as stream:
                return stream.read().strip()
        except OSError:  # missing, or for root alone
            return ""


class Tegrastats:
    """A tegrastats in the background; what it said in between is read at the end."""

    def __init__(self, path: str) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `close` does
        self._from = 0
        command = [path, "--interval", str(INTERVAL_MS)]
        try:
            self._process = subprocess.Popen(
                command,
                stdout=self._file,
                stderr=subprocess.DEVNULL,
                preexec_fn=_ending_with_this_process(),
            )
        except OSError:
            self._file.close()
            raise

    def begin(self) -> None:
        self._from = os.fstat(self._file.fileno()).st_size

    def end(self, seconds: float) -> Dict[str, Any]:
        until = os.fstat(self._file.fileno()).st_size
        # Not by seeking: tegrastats writes where this file's position is.
        said = os.pread(self._file.fileno(), until, 0)
        begun = said.rfind(b"\n", 0, self._from) + 1
        *lines, _ = said[begun:].decode("utf-8", "replace").split("\n")  # the last is no whole one
        watts = [readings.total_watts(line) for line in lines]
        told = [each for each in watts if each is not None]
        if not told:
            return {}
        # Its lines come at equal distances: their mean is the mean over the time.
        return {"joules": sum(told) / len(told) * seconds, "source": "tegrastats"}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._file.close()


def _ending_with_this_process() -> Optional[Callable[[], object]]:
    """What a new process does first, so that it ends even where this one crashes; Linux's alone.

    tegrastats goes on for ever: nobody else would end it.
    """
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # found before the fork, after which little is safe
    return lambda: prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


class Meter:
    """The first source that tells; a context, because tegrastats is a process.

    `begin` and `end` enclose what is measured; `end` answers ``joules`` and ``source``, or nothing.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._source: Any = None

    def __enter__(self) -> "Meter":
        rapl = Rapl(self._root)
        path = shutil.which("tegrastats")
        if rapl.tells:
            self._source = rapl
        elif path is not None:
            try:
                self._source = Tegrastats(path)
            except OSError:  # it cannot be started
                self._source = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._source is not None:
            self._source.close()

    def begin(self) -> None:
        if self._source is not None:
            self._source.begin()

    def end(self, seconds: float) -> Dict[str, Any]:
        return {} if self._source is None else self._source.end(seconds)
