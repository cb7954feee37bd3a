"""Which process this is, as torchrun tells it."""

from __future__ import annotations

import pytest

from edgecls.errors import UsageError
from edgecls.world import World, world

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_without_torchrun_it_is_alone_and_the_first():
    assert world() == World(rank=0, size=1, local_rank=0, local_size=1)
    assert world().is_first


def test_torchruns_environment_is_believed(monkeypatch):
    for name, value in zip(NAMES, ("5", "8", "1", "4", "there", "29500"), strict=True):
        monkeypatch.setenv(name, value)
    assert world() == World(rank=5, size=8, local_rank=1, local_size=4)
    assert not world().is_first


@pytest.mark.parametrize("name", NAMES[:4])
def test_what_is_no_number_is_an_error(monkeypatch, name):
    monkeypatch.setenv(name, "many")
    with pytest.raises(UsageError, match="many"):
        world()


def test_several_processes_need_a_place_to_meet(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="MASTER_ADDR"):
        world()
