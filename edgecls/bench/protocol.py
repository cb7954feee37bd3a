"""One protocol for all rows: interleaved rounds over several process launches.

In each launch every bundle has a process of its own on its host; a round goes through all of them
in turn, and those not asked are suspended. A drift of the machine so meets every row alike. The
first launch's order is turned round in the second, and so on.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgecls.core import Progress, SilentProgress
from edgecls.errors import EdgeclsError, RunnerError, SkippedError
from edgecls.remote.host import Host
from edgecls.runner import Runner

VERSION = 1


@dataclass(frozen=True)
class Protocol:
    """How long and how often. queries and seconds are a row's minimum over all its rounds."""

    threads: int = 1
    launches: int = 2
    rounds: int = 4
    queries: int = 700
    seconds: float = 0.8

    def to_json(self) -> dict[str, Any]:
        return {"scenario": "single stream", "version": VERSION, **asdict(self)}


@dataclass
class Samples:
    """What one bundle said. latency_ms: every query, in order; error: why it fell out, if so.

    skipped: whether its host cannot run it, which is no failure of its own. environment: of its
    host. conditions: of the host before, between and after rounds (`edgecls.device.conditions`).
    suspends: whether it stood still while others were asked.
    """

    latency_ms: list[float] = field(default_factory=list)
    launch: list[int] = field(default_factory=list)
    round: list[int] = field(default_factory=list)
    load_ms: list[float] = field(default_factory=list)
    first_inference_ms: list[float] = field(default_factory=list)
    preprocess_ms: list[float] = field(default_factory=list)
    end_to_end_ms: list[float] = field(default_factory=list)
    rss_bytes: int = 0
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


def measure(
    places: Sequence[tuple[Path, Host]],
    protocol: Protocol,
    progress: Progress | None = None,
    trust_code: bool = False,
) -> list[Samples]:
    """The samples of each bundle on its host, in order. One that fails costs its own row alone."""
    progress = progress or SilentProgress()
    results = [Samples() for _ in places]
    steps = protocol.launches * (protocol.rounds + 1)
    for number in range(protocol.launches):
        progress.step(number * (protocol.rounds + 1), steps, f"launch {number + 1}")
        with ExitStack() as stack:
            launch = _Launch(number, places, protocol, results, trust_code, stack)
            order = list(range(len(places)))
            for index in order if number % 2 == 0 else reversed(order):
                if not results[index].error:
                    launch.start(index)
            for round_number in range(protocol.rounds):
                for index in list(launch.runners):
                    launch.round(index, round_number)
                done = number * (protocol.rounds + 1) + round_number + 2
                progress.step(done, steps, f"launch {number + 1}, round {round_number + 1}")
    return results


@dataclass
class _Launch:
    """One launch of every bundle's process. runners: those that are at work, by their place."""

    number: int
    places: Sequence[tuple[Path, Host]]
    protocol: Protocol
    results: Sequence[Samples]
    trust_code: bool
    stack: ExitStack
    runners: dict[int, Runner] = field(default_factory=dict)

    def start(self, index: int) -> None:
        (bundle, host), result = self.places[index], self.results[index]
        try:
            runner = self.stack.enter_context(
                Runner(bundle, self.protocol.threads, self.trust_code, host)
            )
            result.environment = host.environment()
        except (EdgeclsError, OSError, subprocess.SubprocessError) as error:
            result.fail(error)
            return
        result.conditions.append(runner.conditions())
        runner.suspend()
        try:
            result.about = runner.hello["about"]
            result.load_ms.append(runner.hello["load_ms"])
            result.first_inference_ms.append(runner.hello["first_inference_ms"])
        except KeyError as error:
            result.fail(_lacks(runner, error))
            return
        self.runners[index] = runner

    def round(self, index: int, number: int) -> None:
        if self.runners[index].is_cut_off:
            # The connection broke while another was asked, whose row that cost: not this one's.
            del self.runners[index]
            self.start(index)
        if index not in self.runners:
            return
        runner, result = self.runners[index], self.results[index]
        try:
            inference = self._asked(runner, result, number)
        except (EdgeclsError, KeyError) as error:
            result.fail(_lacks(runner, error) if isinstance(error, KeyError) else error)
            self.runners.pop(index).suspend()
            return
        result.conditions.append(runner.conditions())
        runner.suspend()
        result.suspends = result.suspends and runner.suspends
        result.latency_ms += inference
        result.launch += [self.number] * len(inference)
        result.round += [number] * len(inference)

    def _asked(self, runner: Runner, result: Samples, number: int) -> list[float]:
        """The round's latencies; what else is asked goes into `result`."""
        total = self.protocol.launches * self.protocol.rounds
        queries = math.ceil(self.protocol.queries / total)
        inference: list[float] = runner.ask(
            {
                "do": "round",
                "phase": "inference",
                "queries": queries,
                "seconds": self.protocol.seconds / total,
                # Caches are cold after the other rows' turn, and colder after the start.
                "warmup": max(3, queries // (2 if number == 0 else 8)),
            }
        )["samples_ms"]
        few = max(5, queries // 8)
        phases = {"preprocess": result.preprocess_ms, "end_to_end": result.end_to_end_ms}
        for phase, kept in phases.items() if runner.host.decodes else ():
            kept += runner.ask({"do": "round", "phase": phase, "queries": few, "warmup": 2})[
                "samples_ms"
            ]
        result.rss_bytes = max(result.rss_bytes, runner.ask({"do": "memory"})["rss_bytes"])
        return inference


def _lacks(runner: Runner, error: KeyError) -> RunnerError:
    return RunnerError(f"{runner.name} answers without {error}", "export it again")
