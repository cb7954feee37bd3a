"""An Android device as a host: a native runner is pushed and run, on tensors made on this machine.

Android has no Python. The C++ kit (``export/cpp``) keeps the contract of ``infer.py --serve``; one
binary a runtime is built with the NDK and put where `binaries` looks, with the libraries that it
needs. Everything lies in ``/data/local/tmp/edgecls`` on the device.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgecls.device.meta import NAME as META
from edgecls.device.meta import Meta, bundle_sha256, sha256
from edgecls.errors import EdgeclsError, LostError, RunnerError, SkippedError
from edgecls.remote import address, android, machine, shell
from edgecls.remote.host import Process
from edgecls.remote.shell import GUARD, Guard

ROOT = "/data/local/tmp/edgecls"
PUSH_TIMEOUT_S = 1800.0
BINARY = "edgecls-infer"
ABI = "arm64-v8a"
VARIABLE = "EDGECLS_ANDROID_BINARIES"

# Kits whose native runner is built for Android, with the option that names their runtime's files.
RUNNERS = {"ncnn": "ncnn_DIR", "onnxruntime": "ONNXRUNTIME_ROOT"}
# Kits whose library is no part of the binary, with where it lies in those files.
LIBRARIES = {"onnxruntime": f"jni/{ABI}/libonnxruntime.so"}

Tell = Callable[[str], None]


class AdbShell:
    """The system's adb client, for one device. Raises EdgeclsError where it cannot be used."""

    def __init__(self, to: address.Adb) -> None:
        self.name, self._serial = to.name, to.serial
        program = shutil.which("adb")
        if program is None:
            raise EdgeclsError(
                "there is no adb client on this machine",
                "install Android's platform tools (Debian, Ubuntu: sudo apt install adb)",
            )
        self._program = program
        problem = self._problem()
        if problem is not None:
            raise problem

    def command(self, script: str, *arguments: str) -> list[str]:
        # adb joins its words with spaces, and the device's shell parts them again.
        line = shlex.join(["sh", "-c", script, "sh", *arguments])
        return [self._program, "-s", self._serial, "shell", "-T", line]

    def lost(self) -> EdgeclsError | None:
        problem = self._problem()
        return None if problem is None else LostError(problem.cause, problem.fix)

    def push(self, files: Mapping[str, Path], folder: str) -> None:
        """Copy files into an existing folder of the device, by their names there."""
        for name, path in files.items():
            self._adb("push", str(path.resolve()), f"{folder}/{name}")

    def pull(self, path: str, to: Path) -> None:
        self._adb("pull", path, str(to))

    def _adb(self, *arguments: str) -> str:
        command = [self._program, "-s", self._serial, *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=PUSH_TIMEOUT_S, process_group=0
            )
        except subprocess.TimeoutExpired:
            raise RunnerError(f"{self.name}: adb {arguments[0]} did not end") from None
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            raise self.lost() or RunnerError(f"{self.name}: {said[-1] if said else 'adb failed'}")
        return done.stdout.decode(errors="replace")

    def _problem(self) -> RunnerError | None:
        """Why the device does not answer; None where it does."""
        command = [self._program, "-s", self._serial, "get-state"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=shell.QUICK_S)
        except subprocess.TimeoutExpired:
            return RunnerError(f"{self.name}: adb gives no answer", "adb kill-server; adb devices")
        if done.stdout.strip() == "device":
            return None
        said = (done.stderr or done.stdout).strip().splitlines()
        why = said[-1].removeprefix("error: ") if said else "it is not there"
        fix = "look whether it is connected and listed: adb devices"
        if "unauthorized" in why:
            fix = "allow USB debugging from this computer on the device's screen"
        return RunnerError(f"{self.name}: {why}", fix)


class AdbHost:
    """Runs bundles on an Android device by a native runner, pinned to cores by ``taskset``.

    cpus: the mask; None: the fastest cores with room for the threads. It takes tensors alone.
    """

    decodes = False

    def __init__(
        self, to: address.Adb, cpus: str | None = None, tell: Tell = lambda text: None
    ) -> None:
        self.address, self.name = to, to.name
        self._cpus, self._tell = cpus, tell
        self._mask: str | None = None
        self._shell: AdbShell | None = None
        self._guard: Guard | None = None
        self._unreachable: EdgeclsError | None = None
        self._pushed: set[str] = set()
        self._put: set[str] = set()

    def start(self, bundle: Path, meta: Meta, threads: int) -> Process:
        native = binaries(meta.kit)
        device = self._device()
        files = {name: bundle / name for name in (*meta.files, META)}
        folder = self._push(f"bundles/{bundle_sha256(str(bundle))}", files, bundle.name)
        runner = {path.name: path for path in sorted(native.iterdir()) if path.is_file()}
        place = self._push(f"runners/{_digest(runner)}", runner, f"the runner of {meta.kit}")
        shell.run(device, 'chmod 755 "$1"', f"{place}/{BINARY}")
        self._mask = self._cpus or android.fastest(
            shell.run(device, android.CORES).decode(errors="replace"), threads
        )
        pinned = ["taskset", self._mask] if self._mask else []
        libraries = ["env", f"LD_LIBRARY_PATH={place}"]
        command = [*libraries, *pinned, f"{place}/{BINARY}", folder]
        serve = [*command, "--serve", "--threads", str(threads)]
        assert self._guard is not None
        return shell.start(device, self._guard, place, serve)

    def mended(self, error: EdgeclsError) -> EdgeclsError:
        return error

    def put(self, files: Mapping[str, Path]) -> Mapping[str, str]:
        folder = self._push(f"files/{_digest(files)}", files, "inputs")
        self._put.add(folder)
        return {name: f"{folder}/{name}" for name in files}

    def get(self, path: str, to: Path) -> None:
        self._device().pull(path, to)

    def environment(self) -> Mapping[str, Any]:
        pinned = {"cpu_mask": self._mask} if self._mask else {}
        return {**machine.environment(self._device()), **pinned}

    def conditions(self) -> Mapping[str, Any] | None:
        told = shell.run(self._device(), android.CONDITIONS)
        return android.conditions(told.decode(errors="replace"))

    def close(self) -> None:
        try:
            if self._put and self._unreachable is None:
                shell.run(self._device(), 'rm -rf -- "$@"', *sorted(self._put))
        except EdgeclsError:
            self._put.clear()  # it has gone away, and its owner clears it
        if self._guard is not None:
            self._guard.close()

    def _device(self) -> AdbShell:
        if self._unreachable is not None:
            raise self._unreachable
        if self._guard is not None and self._guard.has_ended(within_s=0.0):
            self._guard.close()
            self._shell = self._guard = None
        if self._shell is None:
            try:
                self._shell = AdbShell(self.address)
                self._guard = Guard(self._shell, self._shell.command(GUARD))
            except EdgeclsError as error:
                self._unreachable = error
                raise
        return self._shell

    def _push(self, name: str, files: Mapping[str, Path], what: str) -> str:
        """The folder on the device that holds these files, whose hashes it has checked itself."""
        folder = f"{ROOT}/{name}"
        if folder in self._pushed:
            return folder
        device = self._device()
        named = {name: sha256(str(path)) for name, path in files.items()}
        parents = sorted({f"{folder}/{name}".rpartition("/")[0] for name in files})
        shell.run(device, 'mkdir -p "$@"', *parents)
        here = self._hashes(folder, named)
        missing = {name: files[name] for name in named if here.get(name) != named[name]}
        if missing:
            parts = {f"{name}.part": path for name, path in missing.items()}
            device.push(parts, folder)
            arrived = self._hashes(folder, parts)
            wrong = [name for name in missing if arrived.get(f"{name}.part") != named[name]]
            if wrong:
                raise RunnerError(
                    f"{self.name}: {', '.join(wrong[:5])} changed on the way", "try again"
                )
            for each in missing:
                place = f"{folder}/{each}"
                shell.run(device, 'mv -f "$1" "$2"', f"{place}.part", place)
            size = sum(path.stat().st_size for path in missing.values())
            self._tell(f"{self.name}: pushed {what}, {size / 1e6:.1f} MB in {len(missing)} files")
        self._pushed.add(folder)
        return folder

    def _hashes(self, folder: str, names: Mapping[str, object]) -> dict[str, str]:
        """name -> sha256 on the device, of those that are there."""
        script = (
            'cd "$1" || exit 0; shift; for f in "$@"; do [ -f "$f" ] && sha256sum "$f"; done; true'
        )
        told = shell.run(self._device(), script, folder, *names, timeout_s=600.0)
        lines = (line.split(maxsplit=1) for line in told.decode(errors="replace").splitlines())
        return {name.strip(): digest for digest, name in (line for line in lines if len(line) == 2)}


def binaries(kit: str) -> Path:
    """The folder of a kit's native runner. Raises SkippedError with the commands that build it."""
    if kit not in RUNNERS:
        raise SkippedError(
            f"the kit {kit!r} has no native runner for Android yet, and Android has no Python",
            f"bench a bundle of another target there: {', '.join(RUNNERS)}",
        )
    chosen = os.environ.get(VARIABLE)
    base = Path(chosen) if chosen else Path("~/.cache/edgecls/android").expanduser() / ABI
    if not (base / kit / BINARY).is_file():
        raise SkippedError(
            f"there is no native runner for Android in {base / kit}", recipe(kit, base / kit)
        )
    return base / kit


def recipe(kit: str, folder: Path) -> str:
    """The commands that build a kit's native runner with the NDK."""
    build = f"build-android-{kit}"
    options = {
        "EDGECLS_BACKEND": kit,
        "EDGECLS_IMAGES": "OFF",
        "CMAKE_TOOLCHAIN_FILE": "$ANDROID_NDK/build/cmake/android.toolchain.cmake",
        "ANDROID_ABI": ABI,
        "ANDROID_PLATFORM": "android-24",
        RUNNERS[kit]: "…",
    }
    given = " ".join(f"-D{name}={value}" for name, value in options.items())
    beside = f" && install …/{LIBRARIES[kit]} {folder}/" if kit in LIBRARIES else ""
    return (
        f"edgecls kit cpp --out edgecls-cpp && cmake -S edgecls-cpp -B {build} {given} && "
        f"cmake --build {build} && install -D {build}/{BINARY} {folder / BINARY}{beside}; "
        f"edgecls-cpp/README.md says where {RUNNERS[kit]} (…) comes from"
    )


def _digest(files: Mapping[str, Path]) -> str:
    """The hash of names and contents."""
    whole = hashlib.sha256()
    for name, path in sorted(files.items()):
        whole.update(f"{sha256(str(path))} {name}\n".encode())
    return whole.hexdigest()
