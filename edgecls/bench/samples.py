"""What one bundle said while it was measured: raw, so that every figure can be made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

from edgecls.errors import EdgeclsError, SkippedError

# What a host that decodes is asked besides inference: the name of the phase -> its samples' field.
PHASES = {
    "decode": "decode_ms",
    "preprocess": "preprocess_ms",
    "postprocess": "postprocess_ms",
    "end_to_end": "end_to_end_ms",
}


@dataclass
class Samples:
    """What one bundle said. latency_ms: every query, in order; error: why it fell out, if so.

    settled: of each process, where it was told. samples_per_query: images of a query (0: not
    told). places: launch and number of each round; seconds, load, energy and pace_ms are of the
    same rounds, empty or 0 where one did not tell, and energy has the round's ``queries``.
    num_repeated: rounds that were asked again (`edgecls.bench.slowed`). absent: phases that an
    older harness does not know. rss_bytes: the peak; memory_bytes: what it grew by since the
    runtime was loaded (0: not told). stopped_after: the launches after which it was known well
    enough (0: it was asked to the end).

    skipped: whether its host cannot run it, which is no failure of its own. environment: of its
    host. conditions: of the host before, between and after rounds (`edgecls.device.conditions`).
    suspends: whether it stood still while others were asked.
    """

    latency_ms: list[float] = field(default_factory=list)
    launch: list[int] = field(default_factory=list)
    round: list[int] = field(default_factory=list)
    places: list[Sequence[int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    settled: list[bool] = field(default_factory=list)
    samples_per_query: int = 0
    load: list[Mapping[str, Any]] = field(default_factory=list)
    energy: list[Mapping[str, Any]] = field(default_factory=list)
    pace_ms: list[float] = field(default_factory=list)
    num_repeated: int = 0
    load_ms: list[float] = field(default_factory=list)
    first_inference_ms: list[float] = field(default_factory=list)
    decode_ms: list[float] = field(default_factory=list)
    preprocess_ms: list[float] = field(default_factory=list)
    postprocess_ms: list[float] = field(default_factory=list)
    end_to_end_ms: list[float] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    rss_bytes: int = 0
    memory_bytes: int = 0
    stopped_after: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    fix: str = ""
    skipped: bool = False
    environment: Mapping[str, Any] = field(default_factory=dict)
    conditions: list[Mapping[str, Any]] = field(default_factory=list)
    suspends: bool = True

    def fail(self, error: Exception) -> None:
        """Fall out. error: why."""
        self.error = error.cause if isinstance(error, EdgeclsError) else str(error)
        self.fix = error.fix if isinstance(error, EdgeclsError) else ""
        self.skipped = isinstance(error, SkippedError)

    def take_round(
        self, launch: int, number: int, answer: Mapping[str, Any], is_first: bool
    ) -> None:
        """Keep a round of inferences, instead of an earlier one of that place.

        is_first: of its process. Raises KeyError where the answer lacks what it must have.
        """
        latency_ms: list[float] = answer["samples_ms"]
        self._drop(launch, number)
        self.latency_ms += latency_ms
        self.launch += [launch] * len(latency_ms)
        self.round += [number] * len(latency_ms)
        # An older harness tells none of these.
        self.places.append((launch, number))
        self.seconds.append(float(answer.get("seconds", sum(latency_ms) / 1e3)))
        self.pace_ms.append(float(answer.get("pace_ms", 0.0)))
        self.samples_per_query = int(answer.get("samples_per_query", self.samples_per_query))
        if is_first and "settled" in answer:
            self.settled.append(bool(answer["settled"]))
        load, energy = answer.get("load"), answer.get("energy")
        self.load.append(load if isinstance(load, Mapping) else {})
        if isinstance(energy, Mapping) and isinstance(energy.get("joules"), (int, float)):
            self.energy.append({**energy, "queries": len(latency_ms)})
        else:
            self.energy.append({})

    def _drop(self, launch: int, number: int) -> None:
        """Forget the round of that place, if there is one."""
        places = [tuple(place) for place in self.places]
        if (launch, number) not in places:
            return
        at = places.index((launch, number))
        lists: tuple[list[Any], ...] = (self.places, self.seconds, self.pace_ms)
        for of_rounds in (*lists, self.load, self.energy):
            del of_rounds[at]
        kept = [pair != (launch, number) for pair in zip(self.launch, self.round, strict=True)]
        self.latency_ms = list(compress(self.latency_ms, kept))
        self.launch = list(compress(self.launch, kept))
        self.round = list(compress(self.round, kept))
        self.num_repeated += 1

    def take_memory(self, answer: Mapping[str, Any]) -> None:
        """Keep the highest of what `memory` answers."""
        peak = int(answer["rss_bytes"])
        self.rss_bytes = max(self.rss_bytes, peak)
        if "baseline_rss_bytes" in answer:
            grown = peak - int(answer["baseline_rss_bytes"])
            self.memory_bytes = max(self.memory_bytes, grown)
