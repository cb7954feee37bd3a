"""A device behind ssh as a host: bundles are copied there once, and run by its own Python.

Everything lies in the cache folder of the device's user, ``edgecls`` in ``~/.cache``: ``bundles``
by their hash, ``files`` that were put there, ``envs`` made by ``--setup``, ``parts`` of copies that
were interrupted. ``rm -r ~/.cache/edgecls`` takes all of it away.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from edgecls.device.meta import NAME as META
from edgecls.device.meta import Meta, bundle_sha256, sha256
from edgecls.errors import EdgeclsError, LostError, RunnerError
from edgecls.remote import address, copying, machine, shell
from edgecls.remote.host import Process
from edgecls.remote.ssh import Connection

CACHE = "~/.cache/edgecls"
# An ssh server admits ten sessions a connection unless it is told otherwise; two are kept for us.
MOST_PROCESSES = 8
SETUP_TIMEOUT_S = 3600.0
TELL_EACH_S = 10.0
_PLAIN = {"numpy", "pillow"}

Tell = Callable[[str], None]


def silent(text: str) -> None:
    """Where nobody listens."""


class SshHost:
    """Runs bundles on a device behind ssh. setup: make each an environment of its requirements.

    cpus: the mask of ``taskset``, such as ``f0``; None: the device decides. tell: what is copied
    and made.
    """

    decodes = True

    def __init__(
        self, to: address.Ssh, setup: bool = False, cpus: str | None = None, tell: Tell = silent
    ) -> None:
        self.address, self.name = to, to.name
        self._setup, self._cpus, self._tell = setup, cpus, tell
        self._connections: list[tuple[Connection, list[Process]]] = []
        self._unreachable: EdgeclsError | None = None
        self._bundles: dict[str, str] = {}
        self._pythons: dict[str, list[str]] = {}
        self._put: set[str] = set()

    @property
    def installs(self) -> bool:
        """Whether what a bundle requires is installed there."""
        return self._setup

    def start(self, bundle: Path, meta: Meta, threads: int) -> Process:
        folder = self._copied(bundle, meta)
        python = self._python(bundle)
        pinned = ["taskset", self._cpus] if self._cpus else []
        command = [*pinned, *python, f"{folder}/infer.py", "--serve", "--threads", str(threads)]
        connection, processes = self._with_room()
        process = shell.start(connection, connection.guard, "/", command)
        processes.append(process)
        return process

    def mended(self, error: EdgeclsError) -> EdgeclsError:
        if self._setup or "-m pip install" not in error.fix:
            return error
        return RunnerError(
            error.cause, "add --setup: it makes an environment from the bundle's requirements.txt"
        )

    def put(self, files: Mapping[str, Path]) -> Mapping[str, str]:
        listed = {name: sha256(str(path)) for name, path in files.items()}
        digest = hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
        # A runner writes its answers beside its inputs.
        root = self._copy(f"files/{digest}", files, "inputs", exact=False)
        self._put.add(root)
        return {name: f"{root}/{name}" for name in files}

    def get(self, path: str, to: Path) -> None:
        data = shell.run(self._connection(), 'exec cat "$1"', path, timeout_s=600.0)
        beside = to.with_name(to.name + ".part")
        beside.write_bytes(data)
        beside.replace(to)

    def environment(self) -> Mapping[str, Any]:
        pinned = {"cpu_mask": self._cpus} if self._cpus else {}
        return {**machine.environment(self._connection()), **pinned}

    def conditions(self) -> Mapping[str, Any] | None:
        return None

    def close(self) -> None:
        try:
            if self._put and self._unreachable is None:
                shell.run(self._connection(), 'rm -rf -- "$@"', *sorted(self._put))
        except EdgeclsError:
            self._put.clear()  # it has gone away: what lies there is of no use to anybody else
        for connection, _ in self._connections:
            connection.close()
        self._connections.clear()

    def _connection(self) -> Connection:
        """The first connection, made where there is none or the one before has broken.

        Raises RunnerError where it cannot be made, and then every time: nobody waits for it again.
        """
        if self._unreachable is not None:
            raise self._unreachable
        for kept in [each for each in self._connections if each[0].guard.has_ended(within_s=0.0)]:
            kept[0].close()
            self._connections.remove(kept)
            self._tell(f"{self.name}: the connection broke; made again")
        return self._connections[0][0] if self._connections else self._connect()[0]

    def _connect(self) -> tuple[Connection, list[Process]]:
        try:
            made: tuple[Connection, list[Process]] = (Connection(self.address), [])
        except EdgeclsError as error:
            self._unreachable = error
            raise
        self._connections.append(made)
        return made

    def _with_room(self) -> tuple[Connection, list[Process]]:
        self._connection()
        for connection, processes in self._connections:
            processes[:] = [each for each in processes if each.is_running]
            if len(processes) < MOST_PROCESSES:
                return connection, processes
        return self._connect()

    def _copied(self, bundle: Path, meta: Meta) -> str:
        """The bundle's folder on the device."""
        digest = bundle_sha256(str(bundle))
        if digest not in self._bundles:
            files = {name: bundle / name for name in (*meta.files, META)}
            self._bundles[digest] = self._copy(f"bundles/{digest}", files, bundle.name)
        return self._bundles[digest]

    def _copy(self, folder: str, files: Mapping[str, Path], what: str, exact: bool = True) -> str:
        wanted = copying.Wanted(f"{CACHE}/{folder}", f"{CACHE}/parts", files, exact)
        told_s = time.monotonic()

        def tell(sent: int, total: int) -> None:
            nonlocal told_s
            if time.monotonic() - told_s > TELL_EACH_S:
                told_s = time.monotonic()
                self._tell(f"{self.name}: {what}, {sent / 1e6:.1f} of {total / 1e6:.1f} MB")

        try:
            done = copying.copy(self._connection(), "python3", wanted, tell)
        except LostError:
            # What has arrived is kept there: one more connection goes on with the rest.
            self._tell(f"{self.name}: the connection broke while {what} was copied; once more")
            done = copying.copy(self._connection(), "python3", wanted, tell)
        if done.sent_files:
            sent = f"{done.sent_bytes / 1e6:.1f} MB in {done.sent_files} files"
            self._tell(f"{self.name}: copied {what}, {sent}")
        return str(PurePosixPath(done.root))

    def _python(self, bundle: Path) -> list[str]:
        """The command of the Python that runs a bundle there."""
        if not self._setup:
            # Not isolated: packages of the device's user count.
            return ["python3", "-E", "-B"]
        requirements = (bundle / "requirements.txt").read_text(encoding="utf-8")
        if requirements not in self._pythons:
            self._tell(f"{self.name}: an environment for {bundle.name}, which can take minutes")
            with copying.Agent(self._connection(), "python3", "environment") as agent:
                system = needs_system(requirements)
                wanted = {"root": f"{CACHE}/envs", "requirements": requirements, "system": system}
                agent.begin(wanted)
                python = self._made(agent.answer(SETUP_TIMEOUT_S), requirements)
            self._pythons[requirements] = [python, "-I", "-B"]
        return self._pythons[requirements]

    def _made(self, answer: Mapping[str, Any], requirements: str) -> str:
        if not answer["ok"]:
            lines = shlex.join(line for line in requirements.split("\n") if line)
            raise RunnerError(
                f"{self.name}: the environment of {lines} cannot be made: {answer['problem']}",
                "look whether the device reaches a package index (pip config) and has python3-venv",
            )
        return str(answer["python"])


def needs_system(requirements: str) -> bool:
    """Whether a bundle uses a runtime of the device's own: its requirements name none."""
    lines = (line.partition("#")[0].strip() for line in requirements.splitlines())
    names = {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower() for line in lines if line}
    return names <= _PLAIN
