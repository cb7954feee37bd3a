"""What --on takes, and the names that it refuses."""

from __future__ import annotations

import pytest

from edgecls.errors import UsageError
from edgecls.remote import address
from edgecls.remote.adb import AdbHost
from edgecls.remote.connected import hosts
from edgecls.remote.device import SshHost, needs_system
from edgecls.remote.local import HERE


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("ssh://pi@192.168.1.20", ["-l", "pi", "--", "192.168.1.20"]),
        ("ssh://pi@raspberry.local:2222", ["-l", "pi", "-p", "2222", "--", "raspberry.local"]),
        ("ssh://jetson", ["--", "jetson"]),
        ("ssh://root@[fe80::1%eth0]:22", ["-l", "root", "-p", "22", "--", "fe80::1%eth0"]),
    ],
)
def test_an_address_of_ssh(text: str, destination: list[str]) -> None:
    found = address.parse(text)
    assert isinstance(found, address.Ssh)
    assert found.destination == destination
    assert found.name == text


@pytest.mark.parametrize("serial", ["emulator-5554", "192.168.1.5:5555", "R58M123ABC"])
def test_a_device_of_adb(serial: str) -> None:
    found = address.parse(f"adb://{serial}")
    assert found == address.Adb(serial) and found.name == f"adb://{serial}"


HOSTILE = [
    "ssh://-oProxyCommand=touch%20x",
    "ssh://-oProxyCommand=x@host",
    "ssh://user@-oProxyCommand=x",
    "ssh://host;reboot",
    "ssh://host/../etc",
    "ssh://a b",
    "ssh://$(reboot)",
    "ssh://user@host@other",
    "ssh://user:secret@host",
    "ssh://host:0",
    "ssh://host:65536",
    "ssh://host:ssh",
    "ssh://",
    "ssh://host\n",
    "adb://",
    "adb://-s",
    "adb://x;reboot",
    "adb://a b",
    "http://host",
    "host",
    "",
    "Local",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_or_wrong_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--on") as caught:
        address.parse(text)
    assert caught.value.fix


def test_each_host_once_and_this_machine_unless_asked() -> None:
    assert hosts([]) == [HERE]
    with pytest.raises(UsageError, match="names a device twice"):
        hosts(["local", "ssh://pi@pi", "local"])
    found = hosts(["local", "ssh://pi@pi", "adb://x"])
    assert [type(each) for each in found] == [type(HERE), SshHost, AdbHost]
    assert [each.name for each in found] == ["host", "ssh://pi@pi", "adb://x"]


@pytest.mark.parametrize(
    ("names", "options", "cause"),
    [
        (["local", "adb://x"], {"setup": True}, "--setup"),
        (["local"], {"cpus": "f0"}, "--cpus"),
        (["adb://x"], {"cpus": "0-3"}, "is no mask"),
        (["adb://x"], {"cpus": "; reboot"}, "is no mask"),
        (["adb://x"], {"cpus": "0x0"}, "names no core"),
    ],
)
def test_an_option_that_nothing_here_can_keep_is_refused(names, options, cause) -> None:
    with pytest.raises(UsageError, match=cause):
        hosts(names, **options)


def test_a_mask_travels_as_every_taskset_takes_it() -> None:
    (there,) = hosts(["adb://x"], cpus="0xF0")
    assert there._cpus == "f0"


def test_a_bundle_whose_requirements_name_no_runtime_uses_the_devices_own() -> None:
    assert needs_system("numpy>=1.19\npillow>=9.2\n")
    assert not needs_system("numpy>=1.19\npillow>=9.2\nonnxruntime>=1.16\n")
    assert needs_system("# the device's TensorRT\nNumPy\n")
