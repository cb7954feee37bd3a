"""Work on many files in threads, with no more of it under way than the memory can hold."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 32  # per worker: enough that a slow file does not leave the others idle


def mapped(function: Callable[[T], R], items: Iterable[T], workers: int = 0) -> Iterator[R]:
    """``function(item)`` of every item, in order. workers: threads; 0 is one per core."""
    count = workers if workers > 0 else os.cpu_count() or 1
    if count == 1:
        yield from map(function, items)
        return
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > _AHEAD * count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
