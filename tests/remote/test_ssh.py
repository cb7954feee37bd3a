"""A bundle on a device behind a real sshd: started, asked, copied once, cut off."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgecls.core import Dataset
from edgecls.device import meta
from edgecls.errors import LostError, RunnerError
from edgecls.remote import address, copying
from edgecls.remote.device import SshHost
from edgecls.remote.ssh import Connection
from edgecls.runner import Runner

FakeBundle = Callable[..., Path]


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def host(device, told: list[str]) -> Iterator[SshHost]:
    found = SshHost(named(device.address), tell=told.append)
    yield found
    found.close()


def named(text: str) -> address.Ssh:
    found = address.parse(text)
    assert isinstance(found, address.Ssh)
    return found


def test_a_bundle_answers_there_as_it_does_here(
    host: SshHost, device, tiny_bundle: Path, tiny_data: Dataset, tmp_path: Path
) -> None:
    images = tiny_data["test"][0]
    with Runner(tiny_bundle, threads=1) as here:
        expected = here.infer(images, tmp_path)
    with Runner(tiny_bundle, threads=1, host=host) as runner:
        assert runner.name == f"tiny onnxruntime fp32 on {device.address}"
        assert runner.ask({"do": "verify"})["ok"]
        assert len(runner.ask({"do": "round", "queries": 3})["samples_ms"]) == 3
        (tmp_path / "there").mkdir()
        for _ in range(2):  # the same images again
            np.testing.assert_array_equal(runner.infer(images, tmp_path / "there"), expected)
        assert isinstance(runner.conditions(), dict)
    assert host.environment()["cores"] >= 1
    assert host.environment()["system"].startswith("Linux")
    (folder,) = (device.cache / "bundles").iterdir()
    assert folder.name == meta.bundle_sha256(str(tiny_bundle))
    assert meta.check(str(folder), meta.read(str(folder))) == []


def test_what_is_there_already_does_not_travel_again(
    host: SshHost, device, tiny_bundle: Path, told: list[str]
) -> None:
    for _ in range(2):
        again = SshHost(host.address, tell=told.append)
        with Runner(tiny_bundle, host=again):
            pass
        again.close()
    assert len(told) == 1 and "copied onnxruntime-fp32" in told[0]


def test_what_was_put_there_for_an_answer_is_taken_away(
    host: SshHost, device, tiny_bundle: Path, tiny_data: Dataset, tmp_path: Path
) -> None:
    with Runner(tiny_bundle, host=host) as runner:
        runner.infer(tiny_data["test"][0], tmp_path)
    assert len(list((device.cache / "files").iterdir())) == 1
    host.close()
    assert list((device.cache / "files").iterdir()) == []


def test_an_interrupted_copy_goes_on_where_it_stopped(device, heavy_bundle: Path) -> None:
    files = {name: heavy_bundle / name for name in meta.read(str(heavy_bundle)).files}
    wanted = copying.Wanted("~/copy", "~/parts", files)
    total = sum(path.stat().st_size for path in files.values())
    connection = Connection(named(device.address))
    seen: list[int] = []

    def cut_at_half(sent: int, whole: int) -> None:
        seen.append(sent)
        if sent > 5_000_000 and len(parts()) == 1 and parts()[0].stat().st_size > 1_000_000:
            device.cut()
            time.sleep(0.5)

    def parts() -> list[Path]:
        return [path for path in (device.home / "parts").glob("*") if path.stat().st_size > 100_000]

    with pytest.raises(LostError, match=r"the connection to ssh://127.0.0.1:.* broke"):
        copying.copy(connection, "python3", wanted, cut_at_half)
    connection.close()
    assert not (device.home / "copy" / "model.bin").exists()
    (part,) = parts()
    kept = part.stat().st_size
    assert 1_000_000 < kept < 8_000_000
    connection = Connection(named(device.address))
    done = copying.copy(connection, "python3", wanted)
    assert done.sent_bytes <= total - kept
    again = copying.copy(connection, "python3", wanted)
    assert (again.sent_files, again.sent_bytes) == (0, 0)
    connection.close()
    for name, path in files.items():
        assert (device.home / "copy" / name).read_bytes() == path.read_bytes()


def test_a_part_that_was_damaged_there_travels_whole(device, heavy_bundle: Path) -> None:
    model = heavy_bundle / "model.bin"
    connection = Connection(named(device.address))
    parts = device.home / "parts"
    parts.mkdir()
    (parts / meta.sha256(str(model))).write_bytes(b"x" * 4_000_000)
    done = copying.copy(
        connection, "python3", copying.Wanted("~/copy", "~/parts", {"model.bin": model})
    )
    connection.close()
    assert done.sent_bytes == 4_000_000 + 8_000_000
    assert (device.home / "copy" / "model.bin").read_bytes() == model.read_bytes()


def test_a_file_that_does_not_belong_there_is_told(device, tiny_bundle: Path) -> None:
    (device.home / "copy").mkdir()
    (device.home / "copy" / "numpy.py").write_text("evil")
    connection = Connection(named(device.address))
    with pytest.raises(RunnerError, match=r"numpy.py does not belong there") as caught:
        copying.copy(
            connection,
            "python3",
            copying.Wanted("~/copy", "~/parts", {"meta.json": tiny_bundle / "meta.json"}),
        )
    connection.close()
    assert f"rm -r {device.home}/copy" in caught.value.fix


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/../../escaped", "a//b"])
def test_the_device_writes_nothing_outside_of_the_folder(
    device, tiny_bundle: Path, name: str
) -> None:
    connection = Connection(named(device.address))
    wanted = copying.Wanted("~/copy", "~/parts", {name: tiny_bundle / "meta.json"})
    with pytest.raises(RunnerError, match="leaves the folder"):
        copying.copy(connection, "python3", wanted)
    connection.close()
    assert not (device.home / "escaped").exists()


def test_an_unknown_host_key_is_refused_with_what_shows_it(host: SshHost, device) -> None:
    device.known.write_text("")
    with pytest.raises(RunnerError, match="its host key is not known here") as caught:
        host.environment()
    assert f"ssh-keyscan -p {device.port} 127.0.0.1 | ssh-keygen -lf -" in caught.value.fix
    assert f"ssh -p {device.port} 127.0.0.1" in caught.value.fix
    assert device.known.read_text() == ""


def test_a_changed_host_key_is_refused(host: SshHost, device, tmp_path: Path) -> None:
    from tests.remote.conftest import keygen

    device.trust(keygen(tmp_path / "other"))
    with pytest.raises(RunnerError, match="its host key has changed") as caught:
        host.environment()
    assert f"ssh-keygen -R '[127.0.0.1]:{device.port}'" in caught.value.fix


def test_a_key_that_is_not_accepted_is_told_and_no_password_is_asked(host: SshHost, device) -> None:
    keys = device.folder / "authorized_keys"
    text = keys.read_text()
    keys.write_text("")
    try:
        with pytest.raises(RunnerError, match="does not accept a key of yours") as caught:
            host.environment()
    finally:
        keys.write_text(text)
    assert f"ssh-copy-id -p {device.port} 127.0.0.1" in caught.value.fix


def test_a_device_that_is_not_there_is_asked_once(device, monkeypatch) -> None:
    gone = SshHost(named("ssh://127.0.0.1:1"))
    with pytest.raises(RunnerError, match="it cannot be reached") as first:
        gone.environment()
    with pytest.raises(RunnerError) as second:
        gone.environment()
    assert second.value is first.value
    gone.close()


def test_a_cut_connection_ends_the_runner_with_its_reason(
    host: SshHost, device, fake_bundle: FakeBundle
) -> None:
    sleeps = fake_bundle(run="if self.queries > 1: import time; time.sleep(30)")
    with Runner(sleeps, trust_code=True, host=host) as runner:
        runner.suspend()
        device.cut()
        with pytest.raises(LostError, match=r"the connection to ssh://.* broke"):
            runner.ask({"do": "round"})
        assert runner.is_cut_off


def test_one_that_is_suspended_stands_still_and_is_let_go_when_the_connection_is_cut(
    host: SshHost, device, fake_bundle: FakeBundle, tmp_path: Path
) -> None:
    told = tmp_path / "pid"
    bundle = fake_bundle(start=f"open({str(told)!r}, 'w').write(str(os.getpid()))")
    with Runner(bundle, trust_code=True, host=host) as runner:
        pid = int(told.read_text())
        for _ in range(2):
            runner.suspend()
            assert wait_for(lambda: state(pid) == "T")
            assert runner.ask({"do": "memory"})["ok"]
            assert state(pid) != "T"
        runner.suspend()
        assert runner.suspends
        device.cut()
        assert wait_for(lambda: state(pid) == "")


def test_a_crash_there_is_told_as_one_and_not_as_a_lost_connection(
    host: SshHost, fake_bundle: FakeBundle
) -> None:
    dies = fake_bundle(
        run="if self.queries > 1: print('last words', flush=True); os.kill(os.getpid(), 11)"
    )
    with Runner(dies, trust_code=True, host=host) as runner:
        with pytest.raises(RunnerError, match="ended with signal SIGSEGV: last words") as caught:
            runner.ask({"do": "round"})
        assert not isinstance(caught.value, LostError)


def test_one_that_hangs_is_ended_there(
    host: SshHost, fake_bundle: FakeBundle, tmp_path: Path
) -> None:
    told = tmp_path / "pid"
    bundle = fake_bundle(
        start=f"open({str(told)!r}, 'w').write(str(os.getpid()))",
        run="if self.queries > 1: import time; time.sleep(600)",
    )
    with (
        Runner(bundle, trust_code=True, host=host) as runner,
        pytest.raises(RunnerError, match="gave no answer in 1 s"),
    ):
        runner.ask({"do": "round"}, timeout_s=1)
    assert wait_for(lambda: state(int(told.read_text())) == "")


def test_what_is_missing_there_is_mended_by_setup(host: SshHost, fake_bundle: FakeBundle) -> None:
    bundle = fake_bundle(start="import runtime_of_nobody")
    with pytest.raises(RunnerError, match="No module named 'runtime_of_nobody'") as caught:
        Runner(bundle, trust_code=True, host=host)
    assert caught.value.fix.startswith("add --setup")


def test_a_device_without_python_is_told(
    host: SshHost, device, tiny_bundle: Path, monkeypatch
) -> None:
    python = device.folder / "bin" / "python3"
    text = python.read_text()
    python.write_text("#!/bin/sh\necho 'python3: not found' >&2; exit 127\n")
    try:
        with pytest.raises(RunnerError, match="not found") as caught:
            Runner(tiny_bundle, host=host)
    finally:
        python.write_text(text)
    assert "Python 3.8 or later" in caught.value.fix


def test_more_bundles_than_a_connection_admits(host: SshHost, fake_bundle: FakeBundle) -> None:
    from contextlib import ExitStack

    bundle = fake_bundle()
    with ExitStack() as stack:
        runners = [
            stack.enter_context(Runner(bundle, trust_code=True, host=host)) for _ in range(10)
        ]
        assert all(runner.ask({"do": "memory"})["ok"] for runner in runners)


def test_what_a_login_shell_prints_disturbs_nothing(
    host: SshHost, device, tiny_bundle: Path
) -> None:
    (device.home / ".bashrc").write_text("echo welcome; echo '{\"ok\": false}'\n")
    with Runner(tiny_bundle, host=host) as runner:
        assert runner.ask({"do": "verify"})["ok"]


def test_a_name_with_every_sign_of_the_shell_stays_a_name(
    host: SshHost, device, tmp_path: Path
) -> None:
    name = 'it\'s $(touch x); `y` "z" \\ & | < >.txt'
    (tmp_path / "given").write_text("text")
    there = host.put({name: tmp_path / "given"})[name]
    host.get(there, tmp_path / "back")
    assert (tmp_path / "back").read_text() == "text"


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def wait_for(condition: Callable[[], bool]) -> bool:
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_what_the_agent_says_before_it_ends_is_told(tmp_path: Path) -> None:
    """As where its disk is full in the middle of a copy."""
    answer = json.dumps({"ok": False, "error": "OSError: [Errno 28] No space left on device"})
    agent = copying.Agent.__new__(copying.Agent)
    agent._shell = SimpleNamespace(name="ssh://pi", lost=lambda: None)
    agent._popen = subprocess.Popen(["echo", answer], stdout=subprocess.PIPE)
    agent._popen.wait()
    with (tmp_path / "stderr").open("w+b") as agent._stderr:
        error = agent.failed()
    assert error.cause == "ssh://pi: OSError: [Errno 28] No space left on device"
    assert "disk" in error.fix and "python3" not in error.fix
    agent._popen.stdout.close()
