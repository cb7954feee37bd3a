"""The named machines: known, complete, and what a target's own kind comes to."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from edgecls import hardware, jetpack, recipe
from edgecls.core import Hardware
from edgecls.errors import UsageError

LAPTOP = Hardware("a laptop", "x86_64", ("avx2",), 4)
BOARD = Hardware("a board", "aarch64", ("neon", "dotprod", "i8mm"), 4)
OLD_BOARD = Hardware("an old board", "aarch64", ("neon",), 4)


@pytest.fixture
def at(monkeypatch):
    """Pretend to be a machine."""

    def be(machine: Hardware) -> None:
        monkeypatch.setattr("edgecls.hardware.profiles.here", lambda: machine)

    return be


def test_the_recipe_names_the_same_machines():
    assert set(get_args(recipe.Machine)) == set(hardware.NAMES)


@pytest.mark.parametrize("name", [name for name in hardware.NAMES if name != hardware.HERE])
def test_a_profile_is_called_by_its_name_and_is_json(name):
    found = hardware.profile(name)
    assert found.profile == name and found.machine in ("x86_64", "aarch64") and found.features
    assert json.loads(json.dumps(found.to_json())) == found.to_json()
    assert name in hardware.plainly(found)


def test_an_unknown_machine_is_refused_with_the_nearest(at):
    with pytest.raises(UsageError, match="unknown machine: 'jetson-orn'") as caught:
        hardware.profile("jetson-orn")
    assert "jetson-orin" in caught.value.fix


@pytest.mark.parametrize(
    ("machine", "asked", "own", "expected"),
    [
        (LAPTOP, None, None, "here"),
        (LAPTOP, "arm64", None, "arm64"),
        (LAPTOP, None, "arm64", "arm64"),
        (LAPTOP, "here", "arm64", "here"),
        (LAPTOP, "x86-vnni", "arm64", "x86-vnni"),
        (BOARD, None, "arm64", "here"),
        (OLD_BOARD, None, "arm64", "arm64"),
        (BOARD, None, "jetson-orin", "jetson-orin"),
    ],
)
def test_what_is_asked_for_wins_then_the_targets_own_kind(at, machine, asked, own, expected):
    at(machine)
    assert hardware.chosen(asked, own).profile == expected


@pytest.mark.parametrize(
    ("name", "overflows"),
    [("x86-avx2", True), ("x86-vnni", False), ("arm64", False), ("rtx", True)],
)
def test_only_x86_without_vnni_overflows(name, overflows):
    assert hardware.saturates(hardware.profile(name)) is overflows


def test_a_jetsons_compute_capability_is_that_of_the_table():
    for name, capability in jetpack.BOARDS.items():
        assert hardware.profile(name).compute_capabilities == (capability,)
