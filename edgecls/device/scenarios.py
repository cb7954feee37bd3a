"""When the queries of a round come: MLPerf's scenarios.

- ``single-stream`` (of every phase; the others are of ``inference`` alone): the next query starts
  when the last one ended. It is one image, or as many as a model of a fixed batch takes at once.
- ``multi-stream``: a query is ``samples_per_query`` images (default 8), and the next starts when
  the last one ended.
- ``offline``: all ``samples_per_query`` images (default 256) are handed over at once: one query is
  the whole lot.
- ``server``: queries as in single stream arrive by a Poisson process of ``qps`` a second, drawn
  with ``seed`` (default 0), and are answered one at a time in their order. A latency counts from
  the scheduled arrival, so that waiting in the queue counts. All that arrive in the time asked
  are answered, however late. ``warmup`` and ``settle`` are asked without a pause.

To settle means to go on in windows of at least 5 queries and 50 ms, until a window's median is
within 2 % of the median of the window before it, for at most 10 windows. Not for ``offline``,
where a window would be several whole lots.
"""

import math
import random
import time
from array import array
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

from .errors import EdgeclsError
from .stats import percentile

# What `measure` knows to ask; it says what they are.
PHASES = ("inference", "decode", "preprocess", "postprocess", "end_to_end")
SCENARIOS = ("single-stream", "multi-stream", "offline", "server")
# Images in a query of those scenarios where it is not the model's own batch.
SAMPLES = {"multi-stream": 8, "offline": 256}
WINDOW_QUERIES, WINDOW_S, WINDOWS, ALIKE = 5, 0.05, 10, 0.02
# A sleep ends late, a loop does not.
SPIN_NS = 1_000_000

Ask = Callable[[int], object]
Look = Callable[[int], None]


@dataclass(frozen=True)
class Round:
    """What a ``round`` asks for. samples: images in a query, None for as many as the model takes.

    queries, seconds: the least of both. qps, seed: of a server's arrivals.
    """

    phase: str = "inference"
    scenario: str = "single-stream"
    queries: int = 1
    seconds: float = 0.0
    warmup: int = 0
    settle: bool = False
    samples: Optional[int] = None
    qps: float = 0.0
    seed: int = 0

    @staticmethod
    def from_json(request: Dict[str, Any]) -> "Round":
        """Raises EdgeclsError for what is no round, with the valid names."""
        phase = _name(request, "phase", PHASES)
        scenario = _name(request, "scenario", SCENARIOS)
        if phase != "inference" and scenario != "single-stream":
            raise EdgeclsError(
                "phase {} has no scenario {}".format(phase, scenario), "valid: single-stream"
            )
        default = SAMPLES.get(scenario)
        return Round(
            phase,
            scenario,
            queries=int(_number(request, "queries", 1)),
            seconds=_number(request, "seconds", 0.0),
            warmup=int(_number(request, "warmup", 0)),
            settle=_settle(request),
            samples=default and int(_number(request, "samples_per_query", default, least=1)),
            qps=_number(request, "qps", 0.0, least=1e-3) if scenario == "server" else 0.0,
            seed=int(_number(request, "seed", 0)),
        )


def _name(request: Dict[str, Any], key: str, valid: Tuple[str, ...]) -> str:
    """A phase or a scenario; without one it is the first."""
    value = request.get(key)
    value = valid[0] if value is None else value
    if value not in valid:
        raise EdgeclsError("unknown {}: {!r}".format(key, value), "valid: " + ", ".join(valid))
    return str(value)


def _number(request: Dict[str, Any], key: str, default: float, least: float = 0.0) -> float:
    value = request.get(key)
    value = default if value is None else value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not least <= value <= 1e12:
        raise EdgeclsError(
            "{!r} is {!r}, which is no number that can be used".format(key, value),
            "give a number from {:g} on".format(least),
        )
    return float(value)


def _settle(request: Dict[str, Any]) -> bool:
    value = request.get("settle")
    if value is not None and not isinstance(value, bool):
        raise EdgeclsError("'settle' is {!r}".format(value), "give true or false")
    return bool(value)


def _no_look(now_ns: int) -> None:
    """Nobody wants to know."""


def sample(ask: Ask, asked: Round, look: Look = _no_look) -> Sequence[float]:
    """Milliseconds of each query, until both the seconds and the number of queries are reached.

    look: called between two queries, with the time; no latency counts it.
    """
    if asked.scenario == "server":
        return _served(ask, asked, look)
    samples = array("d")  # a list takes four times the memory, which would be taken for the model's
    clock = time.perf_counter_ns
    deadline = clock() + int(asked.seconds * 1e9)
    index = 0
    while True:
        begin = clock()
        ask(index)
        end = clock()
        samples.append((end - begin) / 1e6)
        index += 1
        if index >= asked.queries and end >= deadline:
            return samples
        look(end)


def _served(ask: Ask, asked: Round, look: Look) -> Sequence[float]:
    """The same from the moment that each query was due; it ends between two arrivals."""
    samples = array("d")
    clock, draw = time.perf_counter_ns, random.Random(asked.seed)  # noqa: S311 - no secret
    due = clock()
    deadline = due + int(asked.seconds * 1e9)
    index = 0
    while True:
        due += int(draw.expovariate(asked.qps) * 1e9)
        if index and index >= asked.queries and due >= deadline:
            wait_until(deadline)  # nobody comes any more
            return samples
        if due - clock() > 2 * SPIN_NS:
            look(clock())
        wait_until(due)
        ask(index)
        samples.append((clock() - due) / 1e6)
        index += 1


def wait_until(due_ns: int) -> None:
    while True:
        left = due_ns - time.perf_counter_ns()
        if left <= 0:
            return
        if left > SPIN_NS:
            time.sleep((left - SPIN_NS) / 1e9)


def warm_up(ask: Ask, asked: Round) -> Tuple[int, bool]:
    """How many queries it took, and whether they settled where that was asked for."""
    for index in range(asked.warmup):
        ask(index)
    if not asked.settle or asked.scenario == "offline":
        return asked.warmup, True
    count, last = asked.warmup, 0.0
    window = Round(queries=WINDOW_QUERIES, seconds=WINDOW_S)
    for _ in range(WINDOWS):
        samples = sample(ask, window)
        count += len(samples)
        median = percentile(sorted(samples), 50)
        if abs(median - last) <= ALIKE * last:
            return count, True
        last = median
    return count, False
