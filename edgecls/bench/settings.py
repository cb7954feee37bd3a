"""What is asked of every row of a measurement: for how long, how often, and in which scenario.

Two modes are MLPerf's: ``quick`` (10 s) and ``full`` (600 s), both of at least 662 queries, from
which on one outlier cannot make the bound of a p99. ``short`` is what a run spends on its rows. A
mode is what seconds and queries amount to, never a promise beside them. All of it is shared among
the launches of a row, and in a launch among its rounds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from edgecls.device.scenarios import SAMPLES
from edgecls.device.stats import MIN_QUERIES
from edgecls.errors import UsageError

if TYPE_CHECKING:
    from edgecls.recipe import BenchSection

# Raised when the same settings would be measured otherwise.
VERSION = 4

Scenario = Literal["single-stream", "multi-stream", "offline", "server"]
Mode = Literal["short", "quick", "full"]
SECONDS: dict[Mode, float] = {"short": 0.8, "quick": 10.0, "full": 600.0}
QUERIES: dict[Mode, int] = {"short": 700, "quick": MIN_QUERIES[99], "full": MIN_QUERIES[99]}
LAUNCHES, ROUNDS = 5, 4
# The percentile that each scenario is judged by (MLPerf); offline's figure is its throughput.
FIGURES: dict[Scenario, int] = {"single-stream": 90, "multi-stream": 99, "server": 99}


@dataclass(frozen=True)
class Protocol:
    """How long and how often. queries and seconds are a row's minimum over all its rounds.

    samples_per_query: images of a query; None is the scenario's own number. qps, seed: the rate of
    a server's Poisson arrivals, and what they are drawn with. early_stop: whether a row is asked
    no more once it is known well enough, see `edgecls.bench.stopping`.
    """

    threads: int = 1
    launches: int = LAUNCHES
    rounds: int = ROUNDS
    queries: int = QUERIES["short"]
    seconds: float = SECONDS["short"]
    scenario: Scenario = "single-stream"
    samples_per_query: int | None = None
    qps: float | None = None
    seed: int = 0
    early_stop: bool = False

    def __post_init__(self) -> None:
        if self.scenario not in get_args(Scenario):
            raise UsageError(
                f"unknown scenario: {self.scenario!r}", f"valid: {', '.join(get_args(Scenario))}"
            )
        if (self.qps is not None) != (self.scenario == "server"):
            raise UsageError(
                "a server is asked at a rate"
                if self.qps is None
                else f"{self.scenario} has no rate: the next query starts when the last one ends",
                "give --qps with --scenario server, and with no other",
            )
        if self.samples_per_query is not None and self.scenario not in SAMPLES:
            raise UsageError(
                f"a query of {self.scenario} is what the model takes at once",
                f"--samples goes with --scenario {' or '.join(SAMPLES)}",
            )
        if self.early_stop and self.scenario == "offline":
            raise UsageError(
                "offline has no percentile by which it could stop early", "leave out --early-stop"
            )

    @property
    def samples(self) -> int:
        """Images of a query, unless the model has a batch of its own."""
        return self.samples_per_query or SAMPLES.get(self.scenario, 1)

    @property
    def mode(self) -> Mode:
        """The longest whose least this keeps."""
        counted = self.scenario == "offline" or self.queries >= MIN_QUERIES[99]
        longest: tuple[Mode, ...] = ("full", "quick")
        lasts = [mode for mode in longest if self.seconds >= SECONDS[mode]]
        return lasts[0] if counted and lasts else "short"

    def request(self, launch: int, round_number: int, is_first: bool) -> dict[str, Any]:
        """What a round of the phase ``inference`` asks; launches and rounds are counted from 0.

        is_first: whether it is the first of its process. A server's arrivals are others in each
        round, and the same for all rows.
        """
        total = self.launches * self.rounds
        queries = -(-self.queries // total)
        asked: dict[str, Any] = {
            "do": "round",
            "phase": "inference",
            "queries": queries,
            "seconds": self.seconds / total,
            # Caches are cold after the other rows' turn, and colder after the start.
            "warmup": self._warmup(queries, is_first),
            # Windows of whole lots would take far longer than what is measured.
            "settle": is_first and self.scenario != "offline",
        }
        if self.scenario != "single-stream":
            asked["scenario"] = self.scenario
        if self.scenario in SAMPLES:
            asked["samples_per_query"] = self.samples
        if self.qps is not None:
            asked["qps"] = self.qps
            asked["seed"] = self.seed + launch * self.rounds + round_number
        return asked

    def _warmup(self, queries: int, is_first: bool) -> int:
        if self.scenario == "offline":  # a query is hundreds of images
            return 1
        return max(3, queries // (2 if is_first else 8))

    def to_json(self) -> dict[str, Any]:
        """What stands in a row: all of it, the mode, and the images of a query."""
        mode = {"mode": self.mode, "version": VERSION}
        return {**mode, **asdict(self), "samples_per_query": self.samples}

    @staticmethod
    def of(section: BenchSection) -> Protocol:
        """A recipe's: single stream."""
        seconds, queries = least(section.mode, "single-stream", section.seconds, section.queries)
        return Protocol(section.threads, section.launches, section.rounds, queries, seconds)


def least(
    mode: Mode, scenario: str, seconds: float | None = None, queries: int | None = None
) -> tuple[float, int]:
    """Seconds and queries of a row: a mode's, unless they are given.

    A query of offline is the whole lot: one a round is enough.
    """
    count = LAUNCHES * ROUNDS if scenario == "offline" else QUERIES[mode]
    return SECONDS[mode] if seconds is None else seconds, count if queries is None else queries
