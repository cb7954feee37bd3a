"""Interleaved rounds over several launches, in which a bundle that fails costs its own row."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecls.bench import protocol as module
from edgecls.bench.protocol import Protocol, measure
from edgecls.bench.samples import PHASES
from edgecls.device import meta
from edgecls.errors import LostError, RunnerError, SkippedError, TrustError
from edgecls.remote.local import HERE, LocalHost, here

FakeBundle = Callable[..., Path]
QUICK = Protocol(launches=2, rounds=3, queries=60, seconds=0.0)


class Scripted:
    """A runner that records what it is asked, and fails where the script says so."""

    log: list[tuple[str, str]]
    requests: list[tuple[str, dict[str, Any]]]
    limits: list[float]
    script: dict[str, Any]

    def __init__(self, bundle: Path, threads: int, trust_code: bool, host: LocalHost) -> None:
        self.name, self.host = bundle.name, host
        self.note("start")
        self.asked = 0
        self.suspends = True
        self.is_cut_off = False
        self.hello = {"about": {"threads": threads}, "load_ms": 5.0, "first_inference_ms": 2.0}
        self.hello = self.script.get(f"{self.name} hello", self.hello)
        if isinstance(self.hello, Exception):
            raise self.hello

    def note(self, what: str) -> None:
        self.log.append((self.name, what))

    def ask(
        self, request: dict[str, Any], timeout_s: float = module.ASK_TIMEOUT_S
    ) -> dict[str, Any]:
        self.note(request.get("phase", request["do"]))
        self.requests.append((self.name, request))
        self.limits.append(timeout_s)
        self.asked += 1
        answer = self.script.get(f"{self.name} {self.asked}")
        answer = self.script.get(f"{self.name} {request.get('phase')}", answer)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if request["do"] == "memory":
            return {"rss_bytes": 1000 + self.asked}
        return {"samples_ms": [1.0] * request["queries"], "settled": True}

    def conditions(self) -> dict[str, Any]:
        self.note("conditions")
        return {"cpu_mhz": [1000.0 + self.asked]}

    def suspend(self) -> None:
        self.note("suspend")

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *error: object) -> None:
        self.note("end")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    Scripted.log, Scripted.script, Scripted.requests, Scripted.limits = [], {}, [], []
    monkeypatch.setattr(module, "Runner", Scripted)
    return Scripted


A, B, C = Path("a"), Path("b"), Path("c")


def test_rounds_are_interleaved_and_every_second_launch_is_turned_round(
    scripted: type[Scripted],
) -> None:
    measure(here([A, B, C]), Protocol(launches=3, rounds=2))
    starts = [name for name, what in scripted.log if what == "start"]
    rounds = [name for name, what in scripted.log if what == "inference"]
    assert starts == ["a", "b", "c", "c", "b", "a", "a", "b", "c"]
    assert rounds == [*"abcabc", *"cbacba", *"abcabc"]


def test_a_bundle_is_suspended_before_the_next_one_is_asked(scripted: type[Scripted]) -> None:
    measure(here([A, B]), Protocol(launches=1, rounds=2))
    awake: set[str] = set()
    for name, what in scripted.log:
        awake = awake - {name} if what in ("suspend", "end") else awake | {name}
        assert len(awake) <= 1, scripted.log
    assert [what for name, what in scripted.log if name == "a"] == [
        *("start", "conditions", "suspend"),
        *("inference", *PHASES, "memory", "conditions", "suspend") * 2,
        "end",
    ]


def test_every_query_is_kept_with_its_launch_and_round(scripted: type[Scripted]) -> None:
    (found,) = measure(here([A]), Protocol(threads=3, launches=2, rounds=4, queries=700))
    assert len(found.latency_ms) == 8 * 88 >= 700
    assert found.launch == [0] * 4 * 88 + [1] * 4 * 88
    assert found.round == [number for _ in range(2) for number in range(4) for _ in range(88)]
    assert found.load_ms == [5.0, 5.0]
    assert found.first_inference_ms == [2.0, 2.0]
    assert found.about == {"threads": 3}
    assert found.rss_bytes == 1024
    assert (found.error, found.fix) == ("", "")


@pytest.mark.parametrize(
    "script",
    [
        {"b hello": TrustError("carries code", "export it again")},
        {"b hello": OSError("no such interpreter")},
        {"b hello": {"ok": True}},
        {"b 1": RunnerError("ended with signal SIGSEGV", "export it again")},
        {"b 9": RunnerError("gave no answer")},
        {"b 2": {"ok": True}},
        {"b 6": {"ok": True}},
    ],
)
def test_a_bundle_that_fails_costs_its_own_row_alone(
    scripted: type[Scripted], script: dict[str, Any]
) -> None:
    scripted.script = script
    first, failed, last = measure(here([A, B, C]), QUICK)
    assert failed.error
    assert first.error == last.error == ""
    assert len(first.latency_ms) == len(last.latency_ms) == 60
    # It is not started again, and what was started has ended.
    assert [what for name, what in scripted.log if name == "b"].count("start") == 1
    assert scripted.log.count(("a", "end")) == scripted.log.count(("a", "start")) == 2


def test_what_a_host_cannot_run_is_skipped_and_not_failed(scripted: type[Scripted]) -> None:
    scripted.script = {"a hello": SkippedError("no native runner", "cmake …")}
    skipped, other = measure(here([A, B]), QUICK)
    assert (skipped.skipped, skipped.error, skipped.fix) == (True, "no native runner", "cmake …")
    assert not other.skipped and not other.error


@pytest.mark.parametrize(("breaks_in", "settles"), [(0, [True, False]), (1, [True, True])])
def test_one_whose_connection_broke_while_another_was_asked_is_started_again(
    scripted: type[Scripted],
    monkeypatch: pytest.MonkeyPatch,
    breaks_in: int,
    settles: list[bool],
) -> None:
    """The row that was asked is lost; the other goes on over a new connection, and settles anew."""
    runners: list[Scripted] = []
    begin = Scripted.__init__

    def kept(self: Scripted, *arguments: Any) -> None:
        begin(self, *arguments)
        runners.append(self)

    def breaks(self: Scripted, request: dict[str, Any], *limit: float) -> dict[str, Any]:
        rounds = scripted.log.count((self.name, "inference"))
        if self.name == "a" and request.get("phase") == "inference" and rounds == breaks_in:
            for each in runners:
                each.is_cut_off = True
            raise LostError("the connection broke", "look at the device")
        return ask(self, request, *limit)

    ask = Scripted.ask
    monkeypatch.setattr(Scripted, "__init__", kept)
    monkeypatch.setattr(Scripted, "ask", breaks)
    lost, other = measure(here([A, B]), Protocol(launches=1, rounds=2, queries=8))
    assert lost.error == "the connection broke"
    assert other.error == "" and len(other.latency_ms) == 8
    assert [name for name, what in scripted.log if what == "start"] == ["a", "b", "b"]
    asked = [each for name, each in scripted.requests if name == "b" and "settle" in each]
    assert [each["settle"] for each in asked] == settles
    assert len(other.settled) == settles.count(True)


def test_a_host_that_decodes_no_images_is_asked_for_no_such_phase(
    scripted: type[Scripted],
) -> None:
    class Blind(LocalHost):
        decodes = False

    (found,) = measure([(A, Blind())], QUICK)
    assert found.decode_ms == found.preprocess_ms == found.end_to_end_ms == []
    assert "preprocess" not in {what for _, what in scripted.log}
    assert len(found.latency_ms) == 60


def test_each_phase_is_asked_apart(scripted: type[Scripted]) -> None:
    scripted.script = {
        f"a {phase}": {"samples_ms": [float(number)]} for number, phase in enumerate(PHASES)
    }
    (found,) = measure(here([A]), Protocol(launches=1, rounds=2))
    assert [getattr(found, name) for name in PHASES.values()] == [
        *([0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0])
    ]


def test_a_phase_that_an_older_harness_does_not_know_is_left_out(
    scripted: type[Scripted],
) -> None:
    scripted.script = {"a decode": RunnerError("a: unknown phase: 'decode'", "valid: inference")}
    (found,) = measure(here([A]), QUICK)
    assert (found.error, found.absent, found.decode_ms) == ("", ["decode"], [])
    assert found.preprocess_ms and len(found.latency_ms) == 60
    # It is not asked again.
    assert [what for _, what in scripted.log].count("decode") == 1


def test_a_scenario_is_asked_for_and_must_be_answered(scripted: type[Scripted]) -> None:
    lots = Protocol(launches=1, rounds=1, queries=2, scenario="offline", samples_per_query=16)
    scripted.script = {
        "a inference": {"samples_ms": [9.0, 8.0], "samples_per_query": 16, "seconds": 0.02}
    }
    found, old = measure(here([A, B]), lots)
    assert (found.samples_per_query, found.latency_ms, found.seconds) == (16, [9.0, 8.0], [0.02])
    asked = next(each for _, each in scripted.requests if each.get("phase") == "inference")
    assert (asked["scenario"], asked["samples_per_query"]) == ("offline", 16)
    # One that knows no scenarios has answered single queries, which are not what was asked.
    assert old.error == "b answers without 'samples_per_query'" and old.latency_ms == []


@pytest.mark.parametrize(
    ("asked", "due_s"),
    [
        ({"seconds": 600.0}, 600.0),
        ({"seconds": 12_000.0, "launches": 2}, 6000.0),
        ({"seconds": 10.0, "queries": 700, "scenario": "server", "qps": 0.05}, 14_000.0),
        ({"seconds": 3.0, "queries": 700}, 3.0),
    ],
)
def test_a_round_is_waited_for_as_long_as_it_is_asked_to_take(
    scripted: type[Scripted], asked: dict[str, Any], due_s: float
) -> None:
    scripted.script = {"a inference": {"samples_ms": [1.0], "samples_per_query": 1}}
    measure(here([A]), Protocol(**{"launches": 1, "rounds": 1, **asked}))
    assert scripted.limits[0] == module.ASK_TIMEOUT_S + module.PATIENCE * due_s
    assert set(scripted.limits[1:-1]) - {scripted.limits[0]} == {module.ASK_TIMEOUT_S}


def test_what_a_round_tells_besides_is_kept(scripted: type[Scripted]) -> None:
    told = {
        "samples_ms": [1.0, 1.0, 1.0],
        "settled": False,
        "load": {"others": 0.5},
        "energy": {"joules": 2.0, "source": "rapl"},
    }
    scripted.script = {"a inference": told}
    (found,) = measure(here([A]), Protocol(launches=2, rounds=3))
    assert found.settled == [False, False]  # of each launch's first round
    assert found.load == [{"others": 0.5}] * 6
    assert found.energy == [{"joules": 2.0, "source": "rapl", "queries": 3}] * 6
    settles = [each["settle"] for _, each in scripted.requests if each.get("settle") is not None]
    assert settles == [True, False, False] * 2


def test_memory_is_what_the_process_grew_by(scripted: type[Scripted]) -> None:
    scripted.script = {
        "a 6": {"rss_bytes": 900, "baseline_rss_bytes": 300},
        "a 12": {"rss_bytes": 5},
    }
    (found,) = measure(here([A]), Protocol(launches=1, rounds=2))
    assert (found.rss_bytes, found.memory_bytes) == (900, 600)


def test_a_row_that_is_known_is_started_no_more(scripted: type[Scripted]) -> None:
    """Early stopping: the others go on."""
    restless = [1.0 + 0.1 * n for n in range(40)]
    scripted.script = {"b inference": {"samples_ms": restless}}
    early = Protocol(launches=5, rounds=2, queries=200, seconds=0.0, early_stop=True)
    known, other = measure(here([A, B]), early)
    assert (known.stopped_after, other.stopped_after) == (3, 0)
    assert sorted(set(known.launch)) == [0, 1, 2] and sorted(set(other.launch)) == [*range(5)]
    assert scripted.log.count(("a", "start")) == 3
    scripted.log.clear()
    whole, _ = measure(here([A, B]), Protocol(launches=5, rounds=2, queries=200, seconds=0.0))
    assert whole.stopped_after == 0 and scripted.log.count(("a", "start")) == 5


def test_the_hosts_environment_and_conditions_are_kept(scripted: type[Scripted]) -> None:
    (found,) = measure(here([A]), Protocol(launches=1, rounds=2))
    assert found.environment == HERE.environment()
    assert [each["cpu_mhz"] for each in found.conditions] == [[1000.0], [1006.0], [1012.0]]


def test_the_error_says_why_and_what_mends_it(scripted: type[Scripted]) -> None:
    scripted.script = {"a hello": TrustError("carries code", "add --trust-code"), "b 2": {}}
    first, second = measure(here([A, B]), QUICK)
    assert (first.error, first.fix) == ("carries code", "add --trust-code")
    assert second.error == "b answers without 'samples_ms'"


def test_progress_counts_to_its_total(scripted: type[Scripted]) -> None:
    class Progress:
        def step(self, done: int, total: int, note: str = "") -> None:
            seen.append((done, total))

    seen: list[tuple[int, int]] = []
    measure(here([A]), QUICK, Progress())
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (8, 8)
    assert {total for _, total in seen} == {8}


def test_a_process_that_dies_in_the_middle_costs_its_own_row_alone(
    tiny_bundle: Path, fake_bundle: FakeBundle
) -> None:
    """With real processes: one dies of a signal after its first round."""
    dies = fake_bundle(run="if self.queries > 60: print('oh', flush=True); os.kill(os.getpid(), 6)")
    whole, died, again = measure(here([tiny_bundle, dies, tiny_bundle]), QUICK, trust_code=True)
    assert "ended with signal SIGABRT: oh" in died.error
    for found in (whole, again):
        assert found.error == ""
        assert len(found.latency_ms) == 60
        assert len(found.load_ms) == 2
        assert min(found.latency_ms) > 0
        assert found.about["provider"] == "CPUExecutionProvider"
    assert meta.check(str(tiny_bundle), meta.read(str(tiny_bundle))) == []


def test_a_changed_runner_is_not_measured_without_trust_in_it(fake_bundle: FakeBundle) -> None:
    (found,) = measure(here([fake_bundle()]), QUICK)
    assert "not of the installed kit" in found.error
    assert "--trust-code" in found.fix
    assert found.latency_ms == []


def test_a_bundle_that_is_gone_costs_its_own_row(tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "model.onnx").unlink()
    (found,) = measure(here([tmp_path / "bundle"]), QUICK)
    assert "model.onnx is missing" in found.error


def test_the_protocol_is_recorded_with_its_version() -> None:
    recorded = QUICK.to_json()
    assert recorded["version"] == module.VERSION
    assert recorded["scenario"] == "single-stream"
    assert (recorded["queries"], recorded["launches"], recorded["rounds"]) == (60, 2, 3)


FULL = Protocol(launches=3, rounds=2, queries=700, seconds=10.0)


def slow(*pace_ms: float) -> dict[str, Any]:
    """A script by which the inferences of bundle ``a`` have such a pace, one after the other."""
    answers = iter(pace_ms)

    class Told(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            if key != "a inference":
                return default
            return {"samples_ms": [1.0] * 5, "settled": True, "pace_ms": next(answers)}

    return Told()


def test_rounds_of_a_slower_machine_are_asked_again_in_their_launch(
    scripted: type[Scripted],
) -> None:
    # The second round of the second launch, and then it is quick.
    scripted.script = slow(1.0, 1.0, 1.0, 1.5, 1.0, 1.0, 1.0)
    found, other = measure(here([A, B]), FULL)
    assert [name for name, what in scripted.log if what == "inference"] == [
        *"abab",
        *"baba",
        *"abab",
        "a",
    ]
    assert found.num_repeated == 1 and found.places[-1] == (1, 1) and len(found.places) == 6
    assert other.num_repeated == 0


def test_a_machine_that_stays_slow_is_not_asked_for_ever(scripted: type[Scripted]) -> None:
    scripted.script = slow(1.0, *[2.0] * 15)
    (found,) = measure(here([A]), FULL)
    assert [what for _, what in scripted.log].count("inference") == 6 + 2 * 5
    assert found.num_repeated == 10 and len(found.places) == 6


def test_a_short_measurement_asks_nothing_again(scripted: type[Scripted]) -> None:
    scripted.script = slow(1.0, 2.0, 2.0, 2.0, 2.0, 2.0)
    (found,) = measure(here([A]), Protocol(launches=3, rounds=2))
    assert found.num_repeated == 0 and found.pace_ms == [1.0, *[2.0] * 5]
