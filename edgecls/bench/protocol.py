"""One protocol for all rows: interleaved rounds over several process launches.

In each launch every bundle has a process of its own on its host; a round goes through all of them
in turn, and those not asked are suspended. A drift of the machine so meets every row alike. The
first launch's order is turned round in the second, and so on. In its first round a process is
warmed up until its latency is stable. In the modes quick and full, rounds during which the machine
itself was slower are asked again (`edgecls.bench.slowed`).
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecls.bench import slowed
from edgecls.bench.samples import PHASES, Samples
from edgecls.bench.settings import VERSION, Protocol
from edgecls.bench.stopping import is_known
from edgecls.core import Progress, SilentProgress
from edgecls.errors import EdgeclsError, RunnerError
from edgecls.remote.host import Host
from edgecls.runner import ASK_TIMEOUT_S, Runner

__all__ = ["VERSION", "Protocol", "Samples", "measure"]

# What a round may take, in terms of what it was asked to.
PATIENCE = 4


def measure(
    places: Sequence[tuple[Path, Host]],
    protocol: Protocol,
    progress: Progress | None = None,
    trust_code: bool = False,
) -> list[Samples]:
    """The samples of each bundle on its host, in order. One that fails costs its own row alone."""
    progress = progress or SilentProgress()
    results = [Samples() for _ in places]
    given = (places, protocol, results, trust_code)
    steps = protocol.launches * (protocol.rounds + 1)
    for number in range(protocol.launches):
        begun = number * (protocol.rounds + 1)

        def told(done: int, launch: int = number + 1, begun: int = begun) -> None:
            progress.step(begun + done + 1, steps, f"launch {launch}, round {done}")

        progress.step(begun, steps, f"launch {number + 1}")
        asked = [index for index, each in enumerate(results) if not each.stopped_after]
        _launched(number, dict.fromkeys(asked, range(protocol.rounds)), *given, told)
        for result in results if number + 1 < protocol.launches else ():
            if not result.stopped_after and is_known(result, protocol, number + 1):
                result.stopped_after = number + 1
    if protocol.mode != "short":
        _repeat_slowed(*given, progress)
    return results


def _repeat_slowed(
    places: Sequence[tuple[Path, Host]],
    protocol: Protocol,
    results: Sequence[Samples],
    trust_code: bool,
    progress: Progress,
) -> None:
    """Ask those rounds again during which the machine was slower, in launches of their own."""
    for _ in range(slowed.AGAIN):
        for number in range(protocol.launches):
            again = {
                index: [each for launch, each in slowed.places(result) if launch == number]
                for index, result in enumerate(results)
                if not result.error
            }
            todo = {index: rounds for index, rounds in again.items() if rounds}
            if todo:
                note = f"again what was slowed of launch {number + 1}"
                progress.step(number, protocol.launches, note)
                _launched(number, todo, places, protocol, results, trust_code)


def _launched(
    number: int,
    todo: Mapping[int, Sequence[int]],
    places: Sequence[tuple[Path, Host]],
    protocol: Protocol,
    results: Sequence[Samples],
    trust_code: bool,
    told: Callable[[int], None] = lambda done: None,
) -> None:
    """Some rounds of one launch, of each bundle those in `todo`. told: rounds that are done."""
    with ExitStack() as stack:
        launch = _Launch(number, places, protocol, results, trust_code, stack)
        order = sorted(todo, reverse=number % 2 == 1)
        for index in order:
            if not results[index].error:
                launch.start(index)
        for round_number in range(protocol.rounds):
            for index in list(launch.runners):
                if round_number in todo[index]:
                    launch.round(index, round_number)
            told(round_number + 1)


@dataclass
class _Launch:
    """One launch of every bundle's process.

    runners: those that are at work, by their place. fresh: those that were not measured yet.
    """

    number: int
    places: Sequence[tuple[Path, Host]]
    protocol: Protocol
    results: Sequence[Samples]
    trust_code: bool
    stack: ExitStack
    runners: dict[int, Runner] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)

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
        self.fresh.add(index)

    def round(self, index: int, number: int) -> None:
        if self.runners[index].is_cut_off:
            # The connection broke while another was asked, whose row that cost: not this one's.
            del self.runners[index]
            self.start(index)
        if index not in self.runners:
            return
        runner, result = self.runners[index], self.results[index]
        try:
            self._ask(runner, result, number, index in self.fresh)
        except (EdgeclsError, KeyError) as error:
            result.fail(_lacks(runner, error) if isinstance(error, KeyError) else error)
            self.runners.pop(index).suspend()
            return
        self.fresh.discard(index)
        result.conditions.append(runner.conditions())
        runner.suspend()
        result.suspends = result.suspends and runner.suspends

    def _ask(self, runner: Runner, result: Samples, number: int, is_first: bool) -> None:
        """One round: what is answered goes into `result`, all of it or nothing of inferences."""
        asked = self.protocol.request(self.number, number, is_first)
        answer = runner.ask(asked, _limit_s(asked))
        if self.protocol.scenario != "single-stream":
            answer["samples_per_query"]  # an older harness would have asked in a single stream
        few = max(5, int(asked["queries"]) // 8)
        if runner.host.decodes:
            self._ask_phases(runner, result, few)
        memory = runner.ask({"do": "memory"})
        result.take_memory(memory)
        result.take_round(self.number, number, answer, is_first)

    def _ask_phases(self, runner: Runner, result: Samples, queries: int) -> None:
        for phase, kept in PHASES.items():
            if phase in result.absent:
                continue
            try:
                answer = runner.ask(
                    {"do": "round", "phase": phase, "queries": queries, "warmup": 2}
                )
            except RunnerError as error:
                if "unknown phase" not in error.cause:
                    raise
                result.absent.append(phase)
                continue
            getattr(result, kept).extend(answer["samples_ms"])


def _limit_s(asked: Mapping[str, Any]) -> float:
    """How long a round may take: the usual, and several times what it is asked to."""
    arrive_s = asked["queries"] / asked["qps"] if "qps" in asked else 0.0
    return ASK_TIMEOUT_S + PATIENCE * max(float(asked["seconds"]), arrive_s)


def _lacks(runner: Runner, error: KeyError) -> RunnerError:
    return RunnerError(f"{runner.name} answers without {error}", "export it again")
