"""One connection of OpenSSH's client, which all that runs on a device shares.

The system's ``ssh`` is used, so the user's configuration, keys and agent are. Nothing is ever
asked: no password is typed or kept, and a host key that is not known ends it. Where the device
vanishes, the client notices within some ten seconds.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from edgecls.errors import EdgeclsError, LostError, RunnerError
from edgecls.remote import address
from edgecls.remote.shell import AGAIN, GUARD, Guard, line_of

OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "3",
    "ServerAliveCountMax": "3",
    # What a user's configuration may ask for in a terminal, and what has no place here.
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "UpdateHostKeys": "no",
    "EscapeChar": "none",
    "LogLevel": "ERROR",
}
# A Unix socket's path has some hundred bytes, of which ssh itself takes twenty.
_LONGEST = 60


class Connection:
    """An open connection. Raises RunnerError with what mends it where it cannot be opened."""

    def __init__(self, to: address.Ssh) -> None:
        self.address, self.name = to, to.name
        program = shutil.which("ssh")
        if program is None:
            raise EdgeclsError(
                "there is no ssh client on this machine",
                "install OpenSSH's (Debian, Ubuntu: sudo apt install openssh-client)",
            )
        self._program = program
        base = tempfile.gettempdir()
        self._folder = tempfile.TemporaryDirectory(
            prefix="edgecls-",
            dir=base if len(base) <= _LONGEST else "/tmp",  # noqa: S108
        )
        master = ["-o", "ControlMaster=yes", "-o", "ControlPersist=no"]
        try:
            self.guard = Guard(self, [*self._ssh(), *master, *to.destination, line_of(GUARD)])
        except RunnerError as error:
            self._folder.cleanup()
            raise explained(to, error.cause) from None
        except BaseException:
            self._folder.cleanup()
            raise

    def command(self, script: str, *arguments: str) -> list[str]:
        if self.guard.has_ended(within_s=0.0):
            raise self._broke()
        # Never a connection of its own: that would be made where the shared one has just ended.
        own = ["-o", "ControlMaster=no", "-o", "ProxyCommand=false"]
        return [*self._ssh(), *own, *self.address.destination, line_of(script, *arguments)]

    def lost(self) -> EdgeclsError | None:
        # What goes over a connection ends a moment before the connection is seen to end.
        return self._broke() if self.guard.has_ended(within_s=2.0) else None

    def _broke(self) -> LostError:
        said = self.guard.said()
        why = f": {_last(said)}" if said else ""
        return LostError(f"the connection to {self.name} broke{why}", AGAIN)

    def close(self) -> None:
        self.guard.close()
        self._folder.cleanup()

    def _ssh(self) -> list[str]:
        path = str(Path(self._folder.name) / "c")
        options = [f"{name}={value}" for name, value in {**OPTIONS, "ControlPath": path}.items()]
        return [self._program, "-T", *(word for each in options for word in ("-o", each))]


def explained(to: address.Ssh, said: str) -> RunnerError:
    """What ssh said, as a cause with its fix."""
    port = ["-p", str(to.port)] if to.port else []
    login = " ".join(["ssh", *port, f"{to.user}@{to.host}" if to.user else to.host])
    scan = " ".join(["ssh-keyscan", *port, to.host])
    known = f"[{to.host}]:{to.port}" if to.port and to.port != 22 else to.host
    for pattern, cause, fix in (
        (
            r"IDENTIFICATION HAS CHANGED",
            "its host key has changed: it was installed anew, or another machine answers",
            f"make sure which; then forget the old key: ssh-keygen -R '{known}', and accept the new"
            f" one: {login}",
        ),
        (
            r"host key is known for|Host key verification failed",
            "its host key is not known here",
            f"compare its fingerprint ({scan} | ssh-keygen -lf -) with the device's own, and accept"
            f" it: {login}",
        ),
        (
            r"Permission denied",
            "it does not accept a key of yours, and passwords are never asked",
            " ".join(["ssh-copy-id", *port, login.split()[-1]]) + ", or load your key: ssh-add",
        ),
        (
            r"Could not resolve|Name or service not known",
            "its name is not known",
            f"check it with: {login}",
        ),
        (
            r"refused|timed out|No route|unreachable|gave no answer",
            f"it cannot be reached ({_last(said)})",
            f"check that it is on and runs an ssh server: {login}",
        ),
    ):
        if re.search(pattern, said):
            return RunnerError(f"{to.name}: {cause}", fix)
    return RunnerError(f"{to.name}: {_last(said)}", f"try it by hand: {login}")


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1].strip() if lines else "ssh ended without a word"
