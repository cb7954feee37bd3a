"""From what ``--on`` names to the hosts that it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from edgecls.errors import UsageError
from edgecls.remote import address
from edgecls.remote.adb import AdbHost
from edgecls.remote.device import SshHost, silent
from edgecls.remote.host import Host
from edgecls.remote.local import HERE


def hosts(
    names: Sequence[str],
    setup: bool = False,
    cpus: str | None = None,
    tell: Callable[[str], None] = silent,
) -> list[Host]:
    """The hosts of these names; none of them is reached yet. Raises UsageError.

    setup, cpus: as `SshHost`'s and `AdbHost`'s; an option that no named host can keep is refused.
    """
    found = [address.parse(name) for name in names or [address.LOCAL]]
    if len(set(found)) < len(found):
        raise UsageError("--on names a device twice", "name each once")
    if setup and not any(isinstance(each, address.Ssh) for each in found):
        raise UsageError("--setup makes environments on devices behind ssh", "leave it away")
    if cpus is not None and not re.fullmatch(r"(0x)?[0-9a-fA-F]{1,64}", cpus):
        raise UsageError(f"--cpus {cpus!r} is no mask of taskset", "hexadecimal, such as f0")
    if cpus is not None:
        cpus = cpus.lower().removeprefix("0x")  # Android's taskset takes no prefix
        if not int(cpus, 16):
            raise UsageError("--cpus names no core", "hexadecimal, such as f0")
    if cpus is not None and all(isinstance(each, address.Local) for each in found):
        raise UsageError("--cpus pins runners on a device, not on this machine", "leave it away")

    def host(to: address.Address) -> Host:
        match to:
            case address.Ssh():
                return SshHost(to, setup, cpus, tell)
            case address.Adb():
                return AdbHost(to, cpus, tell)
            case address.Local():
                return HERE

    return [host(each) for each in found]
