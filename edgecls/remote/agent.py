"""What runs on a device to take files and to make an environment: its text is sent along.

Python 3.8, standard library alone, one file. ``copy``: takes files, goes on where an interrupted
copy stopped, and puts a file in its place only when its sha256 is right. ``environment``: makes a
virtual environment from a requirements.txt, once. The last line on stdout is one JSON object.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from typing import IO, Any, Dict, List

BLOCK = 1 << 16


def copy(stdin: IO[bytes], stdout: IO[bytes]) -> Dict[str, Any]:
    """One line names the files: ``{"root": …, "parts": …, "files": {name: [sha256, size]}}``.

    Where it has ``"exact": true``, a file of the folder that is not named is told as ``unlisted``.
    The answer's ``held`` says of each how many bytes are here, -1 where it is whole. Then the rest
    of every file that is not whole follows, in order, and nothing between them.
    """
    wanted = json.loads(stdin.readline().decode("utf-8"))
    root, parts = os.path.expanduser(wanted["root"]), os.path.expanduser(wanted["parts"])
    files = {name: (str(digest), int(size)) for name, (digest, size) in wanted["files"].items()}
    for name in files:
        if not name or any(part in ("", ".", "..") for part in name.split("/")):
            raise ValueError("{!r} leaves the folder".format(name))
    for folder in (root, parts):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    with open(os.path.join(parts, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another copy may be at work on the same parts
        held = {name: _held(root, parts, name, files[name]) for name in files}
        _tell(stdout, {"held": held})
        wrong = []
        for name, (digest, size) in files.items():
            if held[name] >= 0:
                part = os.path.join(parts, digest)
                _take(stdin, part, size - held[name])
                if not _place(part, os.path.join(root, name), digest):
                    wrong.append(name)
    unlisted = sorted(set(_list(root)) - set(files)) if wanted["exact"] else []
    return {"ok": not wrong and not unlisted, "wrong": wrong, "unlisted": unlisted, "root": root}


def _held(root: str, parts: str, name: str, wanted: Any) -> int:
    digest, size = wanted
    path = os.path.join(root, name)
    if os.path.isfile(path) and not os.path.islink(path) and _sha256(path) == digest:
        return -1
    part = os.path.join(parts, digest)
    here = os.path.getsize(part) if os.path.isfile(part) else 0
    if here > size:
        os.remove(part)
        here = 0
    return here


def _take(stdin: IO[bytes], part: str, left: int) -> None:
    """Append so many bytes. Whatever has arrived is kept where the connection ends."""
    with open(part, "ab", buffering=0) as stream:
        while left:
            block = stdin.read(min(BLOCK, left))
            if not block:
                raise EOFError("the copy was interrupted")
            stream.write(block)
            left -= len(block)


def _place(part: str, path: str, digest: str) -> bool:
    if _sha256(part) != digest:
        os.remove(part)
        return False
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.replace(part, path)
    return True


def _list(root: str) -> List[str]:
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            found.append(os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/"))
    return found


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def environment(stdin: IO[bytes], stdout: IO[bytes]) -> Dict[str, Any]:
    """One line: ``{"root": …, "requirements": text, "system": whether it sees the device's own}``.

    The answer's ``python`` is the environment's. It is named by what it is made from; a half-made
    one has another name, and is made again.
    """
    wanted = json.loads(stdin.readline().decode("utf-8"))
    version = "{}.{}".format(*sys.version_info[:2])
    made_of = [wanted["requirements"], wanted["system"], version, platform.machine()]
    name = hashlib.sha256(json.dumps(made_of).encode("utf-8")).hexdigest()[:16]
    root = os.path.expanduser(wanted["root"])
    folder = os.path.join(root, name)
    python = os.path.join(folder, "bin", "python")
    os.makedirs(root, mode=0o700, exist_ok=True)
    with open(os.path.join(root, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(folder):
            return {"ok": True, "python": python, "made": False}
        problem = _make(folder, wanted)
    return {"ok": not problem, "python": python, "made": True, "problem": problem}


def _make(folder: str, wanted: Dict[str, Any]) -> str:
    """Why it could not be made, or the empty string."""
    part = folder + ".part"
    shutil.rmtree(part, ignore_errors=True)
    own = ["--system-site-packages"] if wanted["system"] else []
    problem = _run([sys.executable, "-m", "venv", *own, part])
    if problem:
        return problem
    requirements = os.path.join(part, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as stream:
        stream.write(wanted["requirements"])
    pip = [os.path.join(part, "bin", "python"), "-m", "pip", "--disable-pip-version-check"]
    problem = _run([*pip, "install", "--no-input", "-r", requirements])
    if not problem:
        os.rename(part, folder)
    return problem


def _run(command: List[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode == 0:
        return ""
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return " | ".join(
        line.strip() for line in lines[-4:] if line.strip()
    ) or "exit status {}".format(done.returncode)


def _tell(stdout: IO[bytes], answer: Dict[str, Any]) -> None:
    stdout.write(json.dumps(answer).encode("utf-8") + b"\n")
    stdout.flush()


def main(name: str) -> int:
    """Do one of them on this process's pipes; returns the exit status."""
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    stdout.write(b"edgecls-agent\n")
    stdout.flush()
    try:
        answer = {"copy": copy, "environment": environment}[name](stdin, stdout)
    except (OSError, EOFError, KeyError, ValueError) as error:
        answer = {"ok": False, "error": "{}: {}".format(type(error).__name__, error)}
    _tell(stdout, answer)
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
