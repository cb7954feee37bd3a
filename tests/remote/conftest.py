"""A device behind ssh on the loopback address: a real sshd, with a home folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecls.device import meta

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
# Where Debian's sshd wants its empty folder; only root's sshd needs it.
PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass
class Device:
    """A started sshd. home: its user's there; known: this side's file of known host keys."""

    address: str
    port: int
    folder: Path
    home: Path
    known: Path
    sshd: subprocess.Popen[bytes]

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "edgecls"

    def sessions(self) -> list[int]:
        """The processes that serve a connection: the children of the sshd that listens."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[1]) == self.sshd.pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
        return found

    def cut(self) -> None:
        """End every connection at once, as a cable that is pulled does."""
        for pid in self.sessions():
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """The device vanishes: no connection, and no new one."""
        self.sshd.kill()
        self.sshd.wait()
        # The sessions are nobody's children now.

    def trust(self, key: str | None = None) -> None:
        """Know this host key, or the device's own."""
        key = key or (self.folder / "host_key.pub").read_text()
        self.known.write_text(f"[127.0.0.1]:{self.port} {' '.join(key.split()[:2])}\n")


def keygen(path: Path) -> str:
    """A new key; returns its public half."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True)
    return path.with_suffix(".pub").read_text()


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """The device, started once. Its user is the one who runs the test."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("there is no sshd or no ssh (Debian: openssh-server)")
    if os.getuid() == 0 and not PRIVILEGE_SEPARATION.is_dir():
        try:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755)
        except OSError as error:
            pytest.skip(f"root's sshd needs {PRIVILEGE_SEPARATION}: {error}")
    folder = tmp_path_factory.mktemp("sshd")
    home, there = folder / "home", folder / "bin"
    home.mkdir()
    there.mkdir()
    script(there / "python3", f'exec {sys.executable} "$@"')
    keygen(folder / "host_key")
    (folder / "authorized_keys").write_text(keygen(folder / "user_key"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\n"
        f"PidFile {folder}/pid\nAuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\n"
        "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\nLogLevel ERROR\n"
        f"SetEnv HOME={home} PATH={there}:{os.environ['PATH']}\n"
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    device = Device(f"ssh://127.0.0.1:{port}", port, folder, home, folder / "known_hosts", process)
    try:
        if not answers(port):
            pytest.skip(f"sshd does not start here: {(folder / 'log').read_text()[-300:]}")
        yield device
    finally:
        device.cut()
        process.terminate()
        process.wait()
        log.close()


def answers(port: int) -> bool:
    for _ in range(200):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


@pytest.fixture
def device(sshd: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """The device with an empty home, known to an ssh client with a configuration of its own.

    ssh reads its configuration from the home in the list of users, whatever HOME says: so it is
    named by a script that stands for ssh.
    """
    bin_folder = tmp_path / "ssh-bin"
    bin_folder.mkdir()
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host *\n  IdentityFile {sshd.folder}/user_key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {sshd.known}\n  GlobalKnownHostsFile /dev/null\n"
    )
    script(bin_folder / "ssh", f'exec {shutil.which("ssh")} -F {config} "$@"')
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    sshd.trust()
    yield sshd
    sshd.cut()
    shutil.rmtree(sshd.home)
    sshd.home.mkdir()


@pytest.fixture
def heavy_bundle(fake_bundle: Callable[..., Path]) -> Path:
    """A bundle of a kit without a runtime, with a model of 8 MB."""
    bundle = fake_bundle()
    (bundle / "model.bin").write_bytes(os.urandom(8_000_000))
    meta.write(str(bundle), meta.read(str(bundle)))
    return bundle
