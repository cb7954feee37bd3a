"""What machine this is, by what the kernel says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edgecls import hardware
from edgecls.core import Hardware
from edgecls.hardware import machine as machines

X86 = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8488C
flags\t\t: fpu avx2 avx512f avx512_vnni avx_vnni avx512_bf16 amx_int8 avx2x
processor\t: 1
flags\t\t: fpu
"""
OLD = "model name\t: Intel(R) Core(TM) i5-4570\nflags\t\t: fpu sse4_2 avx2\n"
JETSON = "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nFeatures\t: fp asimd asimddp\n"
PI = "processor\t: 0\nFeatures\t: fp asimd crc32\n\nHardware\t: BCM2835\nModel\t: Raspberry Pi 4\n"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Hardware]]:
    """The machine of a /proc/cpuinfo."""

    def read(cpuinfo: str) -> Hardware:
        monkeypatch.setattr(machines, "_read", lambda path: cpuinfo if "cpuinfo" in path else "")
        hardware.here.cache_clear()
        return hardware.here()

    yield read
    hardware.here.cache_clear()


@pytest.mark.parametrize(
    ("cpuinfo", "name", "features"),
    [
        (
            X86,
            "Intel(R) Xeon(R) Platinum 8488C",
            ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8"),
        ),
        (OLD, "Intel(R) Core(TM) i5-4570", ("avx2",)),
        (JETSON, "ARMv8 Processor rev 1 (v8l)", ("neon", "dotprod")),
        (PI, "BCM2835", ("neon",)),
    ],
)
def test_a_machine_is_named_with_the_features_that_matter(
    machine: Callable[[str], Hardware],
    cpuinfo: str,
    name: str,
    features: tuple[str, ...],
) -> None:
    found = machine(cpuinfo)
    assert (found.name, found.features) == (name, features)
    assert found.cores == hardware.usable_cores() >= 1
    assert found.machine


def test_a_machine_without_proc_has_a_name_all_the_same(
    machine: Callable[[str], Hardware],
) -> None:
    assert machine("").name
    assert machine("").features == ()


def test_versions_are_of_what_is_installed() -> None:
    assert hardware.package_version("numpy") == np.__version__
    assert hardware.package_version("no-such-package") == ""
    assert hardware.versions(("numpy", "no-such-package")) == {"numpy": np.__version__}


def test_the_environment_of_a_figure_is_json() -> None:
    found = hardware.environment()
    assert json.loads(json.dumps(found)) == found
    assert {"cpu", "machine", "features", "cores", "system", "python"} <= set(found)


def test_the_clock_policy_stands_there_where_the_kernel_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machines, "_read", lambda path: "powersave\n" if "governor" in path else "")
    assert hardware.environment()["governor"] == "powersave"
    monkeypatch.setattr(machines, "_read", lambda path: "")
    assert "governor" not in hardware.environment()
