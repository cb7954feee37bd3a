"""How quick a core is at this moment, by the same arithmetic each time, whatever the model.

A clock that is held down, and a neighbour of a virtual machine on the other thread of a core, slow
everything; of the second no account of the kernel tells. A value is only to be compared with others
of the same harness on the same machine.
"""

import time

STEPS, TIMES = 5000, 5


def pace_ms() -> float:
    """Milliseconds of the arithmetic, the least of `TIMES`: an interrupt meets one of them."""
    return min(_arithmetic_ms() for _ in range(TIMES))


def _arithmetic_ms() -> float:
    begin = time.perf_counter_ns()
    value = 1
    for _ in range(STEPS):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return (time.perf_counter_ns() - begin) / 1e6
