"""One protocol for all rows: interleaved rounds over several process launches.

In each launch every bundle has a process of its own; a round goes through all of them in turn, and
those not asked are suspended. A drift of the machine so meets every row alike. The first launch's
order is turned round in the second, and so on.
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
from edgecls.errors import EdgeclsError, RunnerError
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
    """What one bundle said. latency_ms: every query, in order; error: why it fell out, if so."""

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


def measure(
    bundles: Sequence[Path],
    protocol: Protocol,
    progress: Progress | None = None,
    trust_code: bool = False,
) -> list[Samples]:
    """The samples of each bundle, in order. A bundle that fails costs its own row alone."""
    progress = progress or SilentProgress()
    results = [Samples() for _ in bundles]
    steps = protocol.launches * (protocol.rounds + 1)
    for launch in range(protocol.launches):
        progress.step(launch * (protocol.rounds + 1), steps, f"launch {launch + 1}")
        with ExitStack() as stack:
            runners: dict[int, Runner] = {}
            order = list(range(len(bundles)))
            for index in order if launch % 2 == 0 else reversed(order):
                if not results[index].error:
                    _start(bundles[index], index, protocol, results, runners, stack, trust_code)
            for number in range(protocol.rounds):
                for index in list(runners):
                    _round(runners, index, protocol, launch, number, results[index])
                done = launch * (protocol.rounds + 1) + number + 2
                progress.step(done, steps, f"launch {launch + 1}, round {number + 1}")
    return results


def _start(
    bundle: Path,
    index: int,
    protocol: Protocol,
    results: Sequence[Samples],
    runners: dict[int, Runner],
    stack: ExitStack,
    trust_code: bool,
) -> None:
    try:
        runner = stack.enter_context(Runner(bundle, protocol.threads, trust_code))
    except (EdgeclsError, OSError, subprocess.SubprocessError) as error:
        _fail(results[index], error)
        return
    runner.suspend()
    result = results[index]
    try:
        result.about = runner.hello["about"]
        result.load_ms.append(runner.hello["load_ms"])
        result.first_inference_ms.append(runner.hello["first_inference_ms"])
    except KeyError as error:
        _fail(result, _lacks(runner, error))
        return
    runners[index] = runner


def _round(
    runners: dict[int, Runner],
    index: int,
    protocol: Protocol,
    launch: int,
    number: int,
    result: Samples,
) -> None:
    total = protocol.launches * protocol.rounds
    queries = math.ceil(protocol.queries / total)
    seconds = protocol.seconds / total
    runner = runners[index]
    try:
        inference = runner.ask(
            {
                "do": "round",
                "phase": "inference",
                "queries": queries,
                "seconds": seconds,
                # Caches are cold after the other rows' turn, and colder after the start.
                "warmup": max(3, queries // (2 if number == 0 else 8)),
            }
        )["samples_ms"]
        few = max(5, queries // 8)
        for phase, kept in (
            ("preprocess", result.preprocess_ms),
            ("end_to_end", result.end_to_end_ms),
        ):
            kept += runner.ask({"do": "round", "phase": phase, "queries": few, "warmup": 2})[
                "samples_ms"
            ]
        result.rss_bytes = max(result.rss_bytes, runner.ask({"do": "memory"})["rss_bytes"])
    except (EdgeclsError, KeyError) as error:
        _fail(result, _lacks(runner, error) if isinstance(error, KeyError) else error)
        runners.pop(index).suspend()
        return
    runner.suspend()
    result.latency_ms += inference
    result.launch += [launch] * len(inference)
    result.round += [number] * len(inference)


def _lacks(runner: Runner, error: KeyError) -> RunnerError:
    return RunnerError(f"{runner.name} answers without {error}", "export it again")


def _fail(result: Samples, error: Exception) -> None:
    result.error = error.cause if isinstance(error, EdgeclsError) else str(error)
    result.fix = error.fix if isinstance(error, EdgeclsError) else ""
