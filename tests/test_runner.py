"""A bundle in a process of its own: whatever happens there is one error here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecls import runner as runners
from edgecls.device import meta
from edgecls.errors import RunnerError
from edgecls.runner import Runner

FakeBundle = Callable[..., Path]

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")

# A runner that does not use the harness: it answers with what is given.
SAYS = """
import sys
for line in sys.stdin:
    sys.stdout.write({answer!r})
    sys.stdout.flush()
"""


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every process that was started."""
    found: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            found.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    return found


def is_gone(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended and was waited for: no zombie is left."""
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, 0)
    return process.returncode is not None


def state(process: subprocess.Popen[bytes]) -> str:
    """The letter that the kernel shows: S sleeps, T is stopped."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for(condition: Callable[[], bool]) -> bool:
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_bundle_answers_and_its_process_ends_with_it(
    tiny_bundle: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    with Runner(tiny_bundle, threads=1) as runner:
        assert runner.hello["about"]["provider"] == "CPUExecutionProvider"
        assert runner.ask({"do": "verify"})["ok"]
        assert len(runner.ask({"do": "round", "queries": 3})["samples_ms"]) == 3
    assert len(processes) == 1
    assert processes[0].returncode == 0
    assert is_gone(processes[0])
    assert meta.check(str(tiny_bundle), meta.read(str(tiny_bundle))) == []


def test_a_failed_verification_is_an_answer_and_a_failed_request_an_error(
    fake_bundle: FakeBundle,
) -> None:
    bundle = fake_bundle(run="if self.queries > 1: self.other = images = images * 0 + 1")
    with Runner(bundle, trust_code=True) as runner:
        assert not runner.ask({"do": "verify"})["ok"]
        with pytest.raises(RunnerError, match=r"unknown phase: 'x'\n  fix: valid: inference"):
            runner.ask({"do": "round", "phase": "x"})
        assert runner.ask({"do": "memory"})["rss_bytes"] > 0


@pytest.mark.parametrize(
    ("ends", "how"),
    [
        ("os._exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 11)", "signal SIGSEGV"),
        ("os.kill(os.getpid(), 40)", "exit status -40"),
    ],
)
def test_a_crash_is_an_error_with_what_it_said(
    fake_bundle: FakeBundle, processes: list[subprocess.Popen[bytes]], ends: str, how: str
) -> None:
    said = "print('last words', flush=True);"
    bundle = fake_bundle(run=f"if self.queries > 1: {said} {ends}")
    with Runner(bundle, trust_code=True) as runner:
        with pytest.raises(RunnerError, match=f"tiny onnxruntime fp32 ended with {how}: last word"):
            runner.ask({"do": "round"})
        with pytest.raises(RunnerError, match=how):
            runner.ask({"do": "round"})
    assert is_gone(processes[0])


def test_a_crash_at_the_start_leaves_nothing_behind(
    fake_bundle: FakeBundle, processes: list[subprocess.Popen[bytes]]
) -> None:
    with pytest.raises(RunnerError, match="exit status 4: it said nothing"):
        Runner(fake_bundle(start="os._exit(4)"), trust_code=True)
    assert is_gone(processes[0])


def test_a_hang_is_ended_with_what_it_said(
    fake_bundle: FakeBundle, processes: list[subprocess.Popen[bytes]]
) -> None:
    said = "print('deep in thought', flush=True)"
    hangs = f"if self.queries > 1: import time; {said}; time.sleep(600)"
    match = "no answer in 1 s and was stopped: deep in thought"
    with (
        Runner(fake_bundle(run=hangs), trust_code=True) as runner,
        pytest.raises(RunnerError, match=match),
    ):
        runner.ask({"do": "round"}, timeout_s=1)
    assert is_gone(processes[0])


@pytest.mark.parametrize("answer", ["Segmentation violation :-(\n", "[1]\n", "null\n", "\n"])
def test_garbage_is_an_error(
    kit_bundle: Callable[[str], Path], processes: list[subprocess.Popen[bytes]], answer: str
) -> None:
    with pytest.raises(RunnerError, match="tiny onnxruntime fp32 answered b'") as caught:
        Runner(kit_bundle(SAYS.format(answer=answer)), trust_code=True)
    assert repr(answer.strip().encode()) in str(caught.value)
    assert is_gone(processes[0])


def test_half_a_line_before_the_end_is_an_error(kit_bundle: Callable[[str], Path]) -> None:
    with pytest.raises(RunnerError, match="ended with exit status 0"):
        Runner(kit_bundle("print('{\"ok\": tr', end='')"), trust_code=True)


def test_what_a_runtime_prints_disturbs_no_answer(fake_bundle: FakeBundle) -> None:
    noise = "print('loading…', flush=True); os.write(1, b'{\"ok\": false}\\n')"
    with Runner(fake_bundle(start=noise, run=noise), trust_code=True) as runner:
        assert runner.ask({"do": "verify"})["ok"]


def test_a_missing_runtime_is_said_with_the_line_that_installs_it(fake_bundle: FakeBundle) -> None:
    bundle = fake_bundle(start="import runtime_of_nobody")
    with pytest.raises(RunnerError, match="No module named 'runtime_of_nobody'") as caught:
        Runner(bundle, trust_code=True)
    requirements = bundle.resolve() / "requirements.txt"
    assert caught.value.fix == f"{sys.executable} -m pip install -r {requirements}"


@needs_proc
def test_a_suspended_process_stands_still_until_it_is_asked(
    fake_bundle: FakeBundle, processes: list[subprocess.Popen[bytes]]
) -> None:
    with Runner(fake_bundle(), trust_code=True) as runner:
        for _ in range(2):
            runner.suspend()
            runner.suspend()
            assert wait_for(lambda: state(processes[0]) == "T")
            assert runner.ask({"do": "memory"})["ok"]
            assert state(processes[0]) != "T"
        runner.suspend()
    assert processes[0].returncode == 0


def test_one_that_was_killed_while_suspended_is_an_error(
    fake_bundle: FakeBundle, processes: list[subprocess.Popen[bytes]]
) -> None:
    with Runner(fake_bundle(), trust_code=True) as runner:
        runner.suspend()
        processes[0].kill()
        with pytest.raises(RunnerError, match="signal SIGKILL"):
            runner.ask({"do": "memory"})
        runner.suspend()


def test_ctrl_c_during_the_start_leaves_no_process(
    fake_bundle: FakeBundle,
    processes: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(self: Runner, request: object, timeout_s: float = 0) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runners.Runner, "ask", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Runner(fake_bundle(), trust_code=True)
    assert is_gone(processes[0])


def test_nothing_of_the_hosts_environment_comes_before_the_bundle(
    fake_bundle: FakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "it ran"
    (tmp_path / "path").mkdir()
    for name in ("numpy.py", "sitecustomize.py", "harness.py"):
        (tmp_path / "path" / name).write_text(f"open({str(marker)!r}, 'w').close()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path / "path")
    tells = "import sys, json; open(sys.argv[0] + '.told', 'w').write(json.dumps(os.getcwd()))"
    bundle = fake_bundle(start=tells)
    with Runner(bundle, trust_code=True):
        pass
    assert not marker.exists()
    told = json.loads((bundle / "infer.py.told").read_text())
    assert Path(told) not in (tmp_path / "path", bundle)


def test_a_bundle_is_started_by_a_relative_or_linked_name_too(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("name").symlink_to(tiny_bundle, target_is_directory=True)
    with Runner(Path("name")) as runner:
        assert runner.ask({"do": "verify"})["ok"]
