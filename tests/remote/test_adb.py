"""An Android device by a scripted adb, which runs what it is told on this machine."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecls.bench.images import balanced
from edgecls.bench.proof import prove
from edgecls.bench.protocol import Protocol
from edgecls.device import meta
from edgecls.errors import EdgeclsError, LostError, RunnerError, SkippedError
from edgecls.kits import kits_folder
from edgecls.pipeline.benching import bench
from edgecls.pipeline.events import Silent
from edgecls.remote import adb
from edgecls.remote.connected import hosts
from edgecls.remote.host import Host
from edgecls.remote.local import HERE
from edgecls.runner import Runner

FakeBundle = Callable[..., Path]
QUICK = Protocol(launches=2, rounds=2, queries=16, seconds=0.0)
DIGITS = tuple("0123456789")

ADB = """#!/bin/sh
echo "$*" >>"{root}/log"
[ "$1" = -s ] && [ "$2" = PHONE1 ] || {{ echo "error: device '$2' not found" >&2; exit 1; }}
shift 2
if [ -e "{root}/gone" ]; then echo "error: device 'PHONE1' not found" >&2; exit 1; fi
if [ -e "{root}/locked" ]; then echo "error: device unauthorized." >&2; exit 1; fi
case "$1" in
  get-state) echo device ;;
  push | pull) [ -e "{root}/garbled" ] && echo x >"$3" || cp "$2" "$3" ;;
  shell) [ "$2" = -T ] || exit 2
    echo $$ >>"{root}/pids"
    PATH="{root}/system:$PATH" exec sh -c "$3" ;;
  *) exit 2 ;;
esac
"""
DUMPSYS = """#!/bin/sh
case "$1" in
  thermalservice) cat <<'END'
IsStatusOverride: false
Thermal Status: 2
Cached temperatures:
  Temperature{mValue=99.0, mType=0, mName=AP, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
  Temperature{mValue=45.6, mType=0, mName=AP, mStatus=2}
  Temperature{mValue=0.0, mType=4, mName=USB, mStatus=0}
Current cooling devices from HAL:
END
  ;;
  battery) printf 'Current Battery Service state:\\n  AC powered: false\\n  USB powered: true\\n'
    printf '  level: 75\\n  scale: 100\\n  temperature: 357\\n' ;;
esac
"""
GETPROP = """#!/bin/sh
case "$1" in
  ro.product.manufacturer) echo Maker ;;
  ro.product.model) echo "Phone 1" ;;
  ro.build.version.release) echo 15 ;;
esac
"""


@dataclass
class Phone:
    """The scripted device. root: what stands for its files."""

    root: Path

    def vanish(self) -> None:
        """The cable is pulled: no command works, and those at work end."""
        (self.root / "gone").touch()
        for pid in (self.root / "pids").read_text().split():
            try:
                os.killpg(int(pid), signal.SIGKILL)  # with what it runs
            except ProcessLookupError:
                continue

    def log(self) -> str:
        return (self.root / "log").read_text()


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phone:
    root = tmp_path / "phone"
    script(root / "host" / "adb", ADB.format(root=root))
    for name, text in (("dumpsys", DUMPSYS), ("getprop", GETPROP), ("settings", "#!/bin/sh\n")):
        script(root / "system" / name, text)
    monkeypatch.setenv("PATH", f"{root / 'host'}:{os.environ['PATH']}")
    monkeypatch.setattr(adb, "ROOT", str(root / "edgecls"))
    return Phone(root)


@pytest.fixture
def native(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A native runner for ONNX Runtime: it speaks by the bundle's own, but decodes no image."""
    folder = tmp_path / "binaries"
    monkeypatch.setenv(adb.VARIABLE, str(folder))
    runner = f'#!/bin/sh\nbundle=$1; shift\nexec {sys.executable} -I -B "$bundle/infer.py" "$@"\n'
    script(folder / "onnxruntime" / adb.BINARY, runner)
    (folder / "onnxruntime" / "libonnxruntime.so").write_bytes(b"\x7fELF")
    return folder


Connect = Callable[..., Host]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes a host of the phone; all of them are closed."""
    made: list[Host] = []

    def new(cpus: str | None = None, serial: str = "PHONE1") -> Host:
        made.extend(hosts([f"adb://{serial}"], cpus=cpus))
        return made[-1]

    yield new
    for host in made:
        host.close()


def test_a_phone_answers_tensors_as_this_machine_does(
    phone: Phone, native: Path, tiny_bundle: Path, digit_images: Path, connect: Connect
) -> None:
    images = balanced(digit_images, DIGITS, 40)
    (row,) = bench([tiny_bundle], QUICK, False, Silent(), [connect(cpus="1")])
    assert (row.measured, row.device, row.num_queries) == ("ok", "adb://PHONE1", 16)
    assert row.preprocess_p50_ms is row.end_to_end_p50_ms is None
    assert row.environment["model"] == row.environment["model"] == "Maker Phone 1"
    assert row.environment["system"].startswith("Android 15, Linux")
    assert row.environment["cpu_mask"] == "1"
    assert row.environment["throttled"] == "yes"
    assert row.environment["max_temperature_c"] == 45.6
    host = connect()
    try:
        there = prove(tiny_bundle, host, images, threads=1)
    finally:
        host.close()
    assert there.predicted == prove(tiny_bundle, HERE, images, threads=1).predicted
    assert there.on(row).num_images == 40
    assert list((phone.root / "edgecls" / "files").iterdir()) == []


def test_it_is_pushed_once_and_every_hash_is_checked_there(
    phone: Phone, native: Path, tiny_bundle: Path, connect: Connect
) -> None:
    for _ in range(2):
        host = connect()
        with Runner(tiny_bundle, host=host):
            pass
        host.close()
    pushed = [line for line in phone.log().splitlines() if " push " in line]
    files = len(meta.read(str(tiny_bundle)).files) + 1
    assert len(pushed) == files + 2
    (folder,) = (phone.root / "edgecls" / "bundles").iterdir()
    assert folder.name == meta.bundle_sha256(str(tiny_bundle))
    assert meta.check(str(folder), meta.read(str(folder))) == []
    assert "sha256sum" in phone.log()


def test_an_interrupted_push_sends_what_is_missing(
    phone: Phone, native: Path, tiny_bundle: Path, connect: Connect
) -> None:
    with Runner(tiny_bundle, host=connect()):
        pass
    (folder,) = (phone.root / "edgecls" / "bundles").iterdir()
    (folder / "model.onnx").unlink()
    (folder / "harness" / "stats.py").write_text("half of i")
    (phone.root / "log").write_text("")
    with Runner(tiny_bundle, host=connect()):
        pass
    pushed = [line.split()[-1] for line in phone.log().splitlines() if " push " in line]
    assert sorted(Path(each).name for each in pushed) == ["model.onnx.part", "stats.py.part"]


def test_what_changed_on_the_way_is_not_put_in_its_place(
    phone: Phone, native: Path, tiny_bundle: Path, connect: Connect
) -> None:
    (phone.root / "garbled").touch()
    with pytest.raises(RunnerError, match="changed on the way"):
        Runner(tiny_bundle, host=connect())
    (folder,) = (phone.root / "edgecls" / "bundles").iterdir()
    assert not (folder / "model.onnx").exists()


def test_a_runner_that_is_suspended_stands_still(
    phone: Phone, native: Path, tiny_bundle: Path, connect: Connect
) -> None:
    host = connect()
    with Runner(tiny_bundle, host=host) as runner:
        for _ in range(2):
            runner.suspend()
            assert runner.ask({"do": "memory"})["ok"]
        assert runner.suspends
    host.close()


def test_a_phone_that_vanishes_costs_its_row_alone(
    phone: Phone,
    native: Path,
    tiny_bundle: Path,
    fake_bundle: FakeBundle,
    monkeypatch,
    connect: Connect,
) -> None:
    asked = 0
    ask = Runner.ask

    def vanishing(self: Runner, request, timeout_s: float = 600.0):
        nonlocal asked
        if self.host is not HERE and request["do"] == "round":
            asked += 1
            if asked == 4:
                phone.vanish()
        return ask(self, request, timeout_s)

    monkeypatch.setattr(Runner, "ask", vanishing)
    here, gone = bench([tiny_bundle], QUICK, False, Silent(), [HERE, connect()])
    assert (here.measured, gone.measured) == ("ok", "failed")
    assert "device 'PHONE1' not found" in gone.reason and "adb devices" in gone.fix


def test_without_the_binary_the_row_is_skipped_with_the_command_that_builds_it(
    phone: Phone, native: Path, tiny_bundle: Path, connect: Connect
) -> None:
    (native / "onnxruntime" / adb.BINARY).unlink()
    (row,) = bench([tiny_bundle], QUICK, False, Silent(), [connect()])
    assert row.measured == "skipped"
    assert f"no native runner for Android in {native / 'onnxruntime'}" in row.reason
    assert "cmake -S" in row.fix and "-DEDGECLS_BACKEND=onnxruntime" in row.fix
    assert "android.toolchain.cmake" in row.fix


def test_a_kit_without_a_native_runner_is_skipped_with_that_reason(phone, native) -> None:
    with pytest.raises(SkippedError, match="'torch' has no native runner for Android yet"):
        adb.binaries("torch")
    assert adb.binaries("onnxruntime") == native / "onnxruntime"


def test_the_command_that_builds_it_is_the_cpp_kits_own() -> None:
    """Its README has the same options, and its sources a backend for each."""
    sources = kits_folder() / "cpp"
    readme = (sources / "README.md").read_text(encoding="utf-8")
    for kit, root in adb.RUNNERS.items():
        assert (sources / "src" / "backends" / f"{kit}.cpp").is_file()
        command = adb.recipe(kit, Path("place"))
        for option in re.findall(r"-D(\w+)=", command):
            assert f"-D{option}=" in readme, option
        assert root in command and "edgecls kit cpp" in command
        library = adb.LIBRARIES.get(kit, "")
        assert library in command and library in readme


def test_another_serial_and_a_locked_phone_are_told(
    phone: Phone, native: Path, connect: Connect
) -> None:
    other = connect(serial="OTHER")
    with pytest.raises(RunnerError, match="device 'OTHER' not found") as caught:
        other.environment()
    assert "adb devices" in caught.value.fix
    (phone.root / "locked").touch()
    with pytest.raises(RunnerError, match="unauthorized") as caught:
        connect().environment()
    assert "USB debugging" in caught.value.fix


def test_a_missing_adb_is_told(
    tiny_bundle: Path,
    native: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    connect: Connect,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EdgeclsError, match="no adb client") as caught:
        Runner(tiny_bundle, host=connect())
    assert "apt install adb" in caught.value.fix


def test_a_broken_shell_is_a_lost_connection(
    phone: Phone, native: Path, tiny_bundle: Path, connect: Connect
) -> None:
    with Runner(tiny_bundle, host=connect()) as runner:
        phone.vanish()
        with pytest.raises(LostError, match="not found"):
            runner.ask({"do": "memory"})
