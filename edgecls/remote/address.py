"""What ``--on`` names: ``local``, ``ssh://user@host:port`` or ``adb://serial``.

A name comes from the command line or a script and becomes an argument of ssh or adb, so only plain
ones are taken: none that begins with a dash, or holds a space or a sign of the shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from edgecls.errors import UsageError

LOCAL = "local"
VALID = "local, ssh://user@host, ssh://user@host:port, adb://serial"

_USER = r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?"
_HOST = r"(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\])"
_SSH = re.compile(rf"{_USER}{_HOST}(?::(?P<port>[0-9]+))?/?")
# adb's own forms: a serial number, emulator-5554, an address with its port, a name of mDNS.
_SERIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")


@dataclass(frozen=True)
class Local:
    """This machine."""


@dataclass(frozen=True)
class Ssh:
    """A device behind ssh. Without user or port, the user's ssh configuration decides."""

    host: str
    user: str | None = None
    port: int | None = None

    @property
    def name(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{user}{host}{f':{self.port}' if self.port else ''}"

    @property
    def destination(self) -> list[str]:
        """As ssh's own arguments."""
        user = ["-l", self.user] if self.user else []
        port = ["-p", str(self.port)] if self.port else []
        return [*user, *port, "--", self.host]


@dataclass(frozen=True)
class Adb:
    """An Android device, by the serial number that ``adb devices`` lists."""

    serial: str

    @property
    def name(self) -> str:
        return f"adb://{self.serial}"


Address = Local | Ssh | Adb


def parse(text: str) -> Address:
    """The address of a device. Raises UsageError."""
    if text == LOCAL:
        return Local()
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise UsageError(f"--on {text!r} names no device", f"valid: {VALID}")
    read = _SCHEMES[scheme]
    return read(text, rest)


def _ssh(text: str, rest: str) -> Ssh:
    found = _SSH.fullmatch(rest)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 0 < port < 65536):
        raise UsageError(
            f"--on {text!r} is no address of ssh",
            "such as ssh://pi@192.168.1.20 or ssh://pi@pi:2222",
        )
    return Ssh(found["host"].strip("[]"), found["user"], port)


def _adb(text: str, rest: str) -> Adb:
    if not _SERIAL.fullmatch(rest):
        raise UsageError(
            f"--on {text!r} names no device of adb", "adb devices lists the serial numbers"
        )
    return Adb(rest)


_SCHEMES: dict[str, Callable[[str, str], Address]] = {"ssh": _ssh, "adb": _adb}
