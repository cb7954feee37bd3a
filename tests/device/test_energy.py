"""Energy: RAPL on a made-up tree of the kernel's files, tegrastats by a script that talks as it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecls.device import energy
from edgecls.device.energy import Meter


class Powercap:
    """``/sys/class/powercap`` of a machine with two packages and what is beside them."""

    def __init__(self, root: Path) -> None:
        self.root = root / "sys/class/powercap"
        self.zone("intel-rapl:0", "package-0", 1000)
        self.zone("intel-rapl:0:0", "core", 500)
        self.zone("intel-rapl:1", "package-1", 2000)
        self.zone("intel-rapl:2", "psys", 9000)
        self.zone("intel-rapl-mmio:0", "package-0", 1000)

    def zone(self, name: str, kind: str, microjoules: int) -> None:
        folder = self.root / name
        folder.mkdir(parents=True)
        (folder / "name").write_text(kind + "\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
        self.count(name, microjoules)

    def count(self, name: str, microjoules: int) -> None:
        (self.root / name / "energy_uj").write_text(f"{microjoules}\n")


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path)


def test_the_energy_of_all_packages_is_added_and_of_nothing_else(
    powercap: Powercap, tmp_path: Path
) -> None:
    with Meter(str(tmp_path)) as meter:
        meter.begin()
        for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"):
            powercap.count(name, 3_001_000)
        powercap.count("intel-rapl:1", 502_000)
        assert meter.end(1.0) == {"joules": pytest.approx(3.0 + 0.5), "source": "rapl"}


def test_a_counter_that_starts_again_goes_on(powercap: Powercap, tmp_path: Path) -> None:
    powercap.count("intel-rapl:0", 262143328850 - 1_000_000)
    with Meter(str(tmp_path)) as meter:
        meter.begin()
        powercap.count("intel-rapl:0", 500_000)
        assert meter.end(1.0)["joules"] == pytest.approx(1.5)


@pytest.mark.parametrize("name", ["intel-rapl:0", "intel-rapl:1"])
def test_a_counter_for_root_alone_tells_nothing(
    powercap: Powercap, tmp_path: Path, name: str
) -> None:
    (powercap.root / name / "energy_uj").unlink()
    (powercap.root / name / "energy_uj").mkdir()  # cannot be read, not even by root
    with Meter(str(tmp_path)) as meter:
        meter.begin()
        assert meter.end(1.0) == {}


def test_a_counter_that_vanishes_on_the_way_tells_nothing(
    powercap: Powercap, tmp_path: Path
) -> None:
    with Meter(str(tmp_path)) as meter:
        meter.begin()
        (powercap.root / "intel-rapl:1/energy_uj").unlink()
        assert meter.end(1.0) == {}


def tool(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "tegrastats").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "tegrastats").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def said(meter: Meter, count: int) -> None:
    """Wait until tegrastats has said so many lines, or parts of one."""
    for _ in range(1000):
        if os.pread(meter._source._file.fileno(), 10_000, 0).count(b"VDD_IN") >= count:
            return
        time.sleep(0.01)
    raise AssertionError("tegrastats says nothing")


def test_the_power_that_a_jetson_tells_meanwhile_is_integrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    script = (
        'echo "VDD_IN 9000mW/9000mW"; printf "RAM 1/2MB "; sleep 0.02; printf "VDD_IN 1000"\n'
        f"while [ ! -e {go} ]; do sleep 0.01; done\n"
        'echo "mW/9000mW"; echo "VDD_IN 3000mW/9000mW"; echo "no power"; printf "VDD_IN 7000mW/1"\n'
        "exec sleep 60"
    )
    tool(tmp_path, monkeypatch, script)
    with Meter(str(tmp_path)) as meter:
        said(meter, 2)
        meter.begin()
        go.touch()
        said(meter, 4)
        process = meter._source._process
        # Of the line before and of the half one at the end nothing counts.
        assert meter.end(10.0) == {"joules": pytest.approx(20.0), "source": "tegrastats"}
    assert process.returncode is not None


@pytest.mark.parametrize("script", ["exit 1", "echo 'RAM 1/2MB'; exec sleep 60"])
def test_a_tegrastats_that_tells_no_power_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    tool(tmp_path, monkeypatch, script)
    with Meter(str(tmp_path)) as meter:
        meter.begin()
        assert meter.end(1.0) == {}


def test_a_tegrastats_that_does_not_start_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, "")
    (tmp_path / "tegrastats").write_bytes(b"\x7fELF")
    with Meter(str(tmp_path)) as meter:
        meter.begin()
        assert meter.end(1.0) == {}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends it")
def test_a_tegrastats_ends_with_a_process_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, "exec sleep 60")
    code = (
        "import os, sys\n"
        "from edgecls.device.energy import Meter\n"
        "with Meter(sys.argv[1]) as meter:\n"
        "    print(meter._source._process.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert ends(int(done.stdout))


def ends(pid: int) -> bool:
    """Whether a process ends soon; one that nobody waited for has ended too."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


def test_rapl_comes_first_and_starts_no_process(
    powercap: Powercap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, monkeypatch, "exec sleep 60")
    with Meter(str(tmp_path)) as meter:
        assert isinstance(meter._source, energy.Rapl)
