"""How quick a core was while something was measured on it, by the same arithmetic again and again.

A clock that is held down, and a neighbour of a virtual machine on the other thread of a core, slow
everything; of the second no account of the kernel tells. A value is only to be compared with others
of the same harness on the same machine.
"""

import time
from typing import List

from .stats import percentile

# Between two looks: some 0.5 ms each, which no query is charged with. And before and after.
EVERY_NS, AROUND = 50_000_000, 3
STEPS = 5000


class Pace:
    """The pace of a core from `begin` to `answer`."""

    def __init__(self) -> None:
        self._found: List[float] = []
        self._next_ns = 0

    def begin(self) -> None:
        self._found = [arithmetic_ms() for _ in range(AROUND)]
        self._next_ns = time.perf_counter_ns() + EVERY_NS

    def look(self, now_ns: int) -> None:
        """Between two queries, unless it was done a moment ago."""
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + EVERY_NS
            self._found.append(arithmetic_ms())

    def answer(self) -> float:
        """Milliseconds of the arithmetic: the median, as a median is what it is to be held against.

        An interrupt meets one look, and a neighbour that came for a moment bends neither.
        """
        around = [arithmetic_ms() for _ in range(AROUND)]
        return percentile(sorted([*self._found, *around]), 50)


def arithmetic_ms() -> float:
    begin = time.perf_counter_ns()
    value = 1
    for _ in range(STEPS):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return (time.perf_counter_ns() - begin) / 1e6
