"""How busy the rest of a machine was while something was measured on it.

From the kernel's own accounts: what all cores did, less what this process and its children used.
Fractions are of all cores, 0 to 1. A machine without ``/proc``, and a time too short for the
kernel's clock (a hundredth of a second), tell nothing.
"""

import glob
import os
import time
from typing import Any, Dict, List, Optional, Tuple

# Between two looks at who is running: a look costs some 0.1 ms, which no query is charged with.
EVERY_NS = 50_000_000


class Load:
    """What the machine does from `begin` to `answer`. root: where ``proc`` lies."""

    def __init__(self, root: str = "/") -> None:
        self._proc = os.path.join(root, "proc")
        self._times: Optional[Tuple[int, int, int]] = None
        self._own_s = 0.0
        self._running: List[int] = []
        self._next_ns = 0

    def begin(self) -> None:
        self._running = []
        self.look(time.perf_counter_ns())
        self._own_s = own_seconds()
        self._times = cpu_times(self._text("stat"))

    def look(self, now_ns: int) -> None:
        """Between two queries: count who wants to run, if it was not done a moment ago."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + EVERY_NS
        told = running(self._text("loadavg"))
        if told is not None:
            threads = glob.glob(os.path.join(self._proc, "self", "task", "[0-9]*", "stat"))
            own = sum(is_running(self._text(path)) for path in threads)
            self._running.append(max(0, told - max(1, own)))

    def answer(self) -> Dict[str, Any]:
        """``others``, ``steal`` and ``runnable``; empty where nothing is told."""
        now, own_s = cpu_times(self._text("stat")), own_seconds()
        if now is None or self._times is None or now[2] <= self._times[2] or not self._running:
            return {}
        busy, steal, total = (after - before for after, before in zip(now, self._times))
        own = (own_s - self._own_s) * os.sysconf("SC_CLK_TCK")
        return {
            "others": min(1.0, max(0.0, (busy - own) / total)),
            "steal": min(1.0, max(0.0, steal / total)),
            "runnable": sum(self._running) / len(self._running),
        }

    def _text(self, name: str) -> str:
        try:
            # An absolute name stays what it is.
            with open(os.path.join(self._proc, name), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:  # not Linux, or a thread that has ended
            return ""


def cpu_times(stat: str) -> Optional[Tuple[int, int, int]]:
    """(busy, stolen, all) of all cores since the boot, in the kernel's ticks, by ``/proc/stat``.

    ``cpu  51171 8306 12260 56779 2387 0 547 2379 0 0``: user, nice, system, idle, iowait, irq,
    softirq, steal; a guest's are in user's.
    """
    first = stat.partition("\n")[0].split()
    if first[:1] != ["cpu"] or len(first) < 9 or not all(each.isdigit() for each in first[1:9]):
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = (int(each) for each in first[1:9])
    busy = user + nice + system + irq + softirq
    return busy, steal, busy + steal + idle + iowait


def running(loadavg: str) -> Optional[int]:
    """How many tasks run or wait for a core, by ``/proc/loadavg``: ``5.0 2.66 1.18 8/125 8037``."""
    fields = loadavg.split()
    count = fields[3].partition("/")[0] if len(fields) > 3 else ""
    return int(count) if count.isdigit() else None


def is_running(stat: str) -> bool:
    """Whether a thread runs, by its ``stat``: ``8037 (name of its own) R 1 …``."""
    return stat.rpartition(")")[2].split()[:1] == ["R"]


def own_seconds() -> float:
    """CPU time of this process, all its threads, and of those children that have ended."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system
