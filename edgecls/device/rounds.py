"""One round: warm-up, what is measured, and what the machine did meanwhile."""

import time
from typing import Any, Dict

from . import scenarios
from .energy import Meter
from .load import Load
from .pace import Pace
from .scenarios import Ask, Round


def measured(ask: Ask, asked: Round, samples_per_query: int) -> Dict[str, Any]:
    """The answer to a ``round``; `serve` describes it. ask: one query, by its number."""
    with Meter() as meter:
        warmed, settled = scenarios.warm_up(ask, asked)
        load, pace = Load(), Pace()
        pace.begin()
        load.begin()

        def look(now_ns: int) -> None:
            load.look(now_ns)
            # A server's query would wait for it.
            if asked.scenario != "server":
                pace.look(now_ns)

        meter.begin()
        begin = time.perf_counter_ns()
        samples = scenarios.sample(ask, asked, look)
        seconds = (time.perf_counter_ns() - begin) / 1e9
        told = {"energy": meter.end(seconds), "load": load.answer()}
    return {
        "samples_ms": samples,
        "seconds": seconds,
        "warmup_queries": warmed,
        "settled": settled,
        "samples_per_query": samples_per_query,
        "pace_ms": pace.answer(),
        **{name: value for name, value in told.items() if value},
    }
