"""What machine a device is, by what its own tools print."""

from __future__ import annotations

from edgecls.remote.machine import read

PI = """edgecls-section machine
aarch64
edgecls-section system
Linux 6.6.31+rpt-rpi-2712
edgecls-section cores
4
edgecls-section cpuinfo
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b
edgecls-section model
Raspberry Pi 5 Model B Rev 1.0
edgecls-section release
edgecls-section python
Python 3.11.2
edgecls-section l4t
"""


def test_a_raspberry_pi() -> None:
    assert read(PI) == {
        "model": "Raspberry Pi 5 Model B Rev 1.0",
        "cpu": "Raspberry Pi 5 Model B Rev 1.0",
        "machine": "aarch64",
        "features": ["neon", "dotprod"],
        "cores": 4,
        "system": "Linux 6.6.31+rpt-rpi-2712",
        "python": "3.11.2",
    }


def test_a_jetson_tells_its_release_and_a_phone_its_android() -> None:
    l4t = "# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: generic, EABI: aarch64"
    assert read(f"edgecls-section l4t\n{l4t}\n")["l4t"].startswith("R36 (release), REVISION: 4.7")
    phone = "edgecls-section system\nLinux 6.1.75\nedgecls-section release\n15\n"
    assert read(phone)["system"] == "Android 15, Linux 6.1.75"


def test_a_device_that_says_nothing_has_one_core() -> None:
    assert read("") == {"cores": 1}
