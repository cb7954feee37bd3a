"""How busy a machine is, by the kernel's accounts: real texts, a made-up ``/proc``, this one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgecls.device import load, memory

STAT = """cpu  51171 8306 12260 56779 2387 0 547 2379 17 0
cpu0 16975 4358 4612 38946 728 0 90 1183 0 0
cpu1 34196 3948 7648 17833 1658 0 456 1195 0 0
intr 512709 0 0
procs_running 3
"""


def test_ticks_of_all_cores_are_read() -> None:
    busy = 51171 + 8306 + 12260 + 0 + 547
    assert load.cpu_times(STAT) == (busy, 2379, busy + 2379 + 56779 + 2387)


@pytest.mark.parametrize(
    "text", ["", "cpu", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu a b c d e f g h"]
)
def test_what_is_no_account_is_none(text: str) -> None:
    assert load.cpu_times(text) is None


def test_tasks_that_run_are_counted() -> None:
    assert load.running("5.00 2.66 1.18 8/125 8037\n") == 8
    assert load.running("0.20 0.18 0.12 1/80 11206") == 1
    assert load.running("") is load.running("a b c d/e 1") is None


def test_a_thread_tells_whether_it_runs_whatever_its_name() -> None:
    assert load.is_running("8037 (python) R 1 8037 8037 0")
    assert not load.is_running("8037 (python) S 1 8037 8037 0")
    assert load.is_running("8038 (a) S (b) R 1 8037 0")
    assert not load.is_running("")


class Machine:
    """A made-up ``/proc`` with two cores, whose process has used what the test says."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.proc, self.own_s = root / "proc", 10.0
        for number in (1, 2):
            (self.proc / f"self/task/{number}").mkdir(parents=True)
        self.tell(0, 0, 0, running=1)
        monkeypatch.setattr(load, "own_seconds", lambda: self.own_s)
        monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 100}.__getitem__)
        self.load = load.Load(str(root))

    def tell(self, busy: int, idle: int, steal: int, running: int, own: str = "RS") -> None:
        (self.proc / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 {steal} 0 0\n")
        (self.proc / "loadavg").write_text(f"0.0 0.0 0.0 {running}/99 1\n")
        for number, state in enumerate(own, 1):
            path = self.proc / f"self/task/{number}/stat"
            path.write_text(f"{number} (it) {state} 0\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_what_others_use_is_what_all_did_less_ones_own(machine: Machine) -> None:
    machine.load.begin()
    machine.own_s += 0.9
    machine.tell(busy=130, idle=50, steal=20, running=1)
    answer = machine.load.answer()
    assert answer == pytest.approx({"others": 40 / 200, "steal": 0.1, "runnable": 0.0})


def test_ones_own_time_is_never_more_than_all(machine: Machine) -> None:
    machine.load.begin()
    machine.own_s += 5.0
    machine.tell(busy=100, idle=100, steal=0, running=1)
    assert machine.load.answer()["others"] == 0.0


def test_running_tasks_are_counted_beside_all_of_ones_own_threads(machine: Machine) -> None:
    machine.load.begin()  # one runs, and it is this one
    machine.tell(100, 100, 0, running=5, own="RR")
    machine.load.look(machine.load._next_ns)
    machine.tell(100, 100, 0, running=3, own="SS")  # whoever looks runs
    machine.load.look(machine.load._next_ns)
    machine.load.look(machine.load._next_ns - 1)  # too early
    assert machine.load.answer()["runnable"] == pytest.approx((0 + 3 + 2) / 3)


def test_a_time_below_the_kernels_clock_tells_nothing(machine: Machine) -> None:
    machine.load.begin()
    assert machine.load.answer() == {}


def test_without_proc_nothing_is_told(tmp_path: Path) -> None:
    watched = load.Load(str(tmp_path))
    watched.begin()
    watched.look(watched._next_ns)
    assert watched.answer() == {}


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="this system has no /proc")
def test_another_process_is_seen_on_this_machine() -> None:
    watched = load.Load()
    watched.begin()
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    other = subprocess.Popen([sys.executable, "-c", spin])
    while other.poll() is None:
        time.sleep(0.01)
        watched.look(time.perf_counter_ns())
        if other.poll() is None:
            # Read before it is waited for: then its time is that of a child of ours.
            last = watched.answer()
    assert last["others"] > 0
    assert set(last) == {"others", "steal", "runnable"}


def test_ones_own_time_is_of_all_threads() -> None:
    def spin() -> None:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass

    before = load.own_seconds()
    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()
    assert load.own_seconds() - before >= 0.05


def test_memory_is_told_now_and_at_its_peak() -> None:
    now, peak = memory.resident_bytes(), memory.peak_bytes()
    assert now is not None and peak is not None
    assert 1 << 20 < now <= peak


def test_where_there_is_no_proc_the_peak_is_told_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "STATUS", str(tmp_path / "none"))
    assert memory.resident_bytes() == memory.peak_bytes()
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert memory.resident_bytes() is memory.peak_bytes() is None
