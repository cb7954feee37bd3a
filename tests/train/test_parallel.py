"""Processes that train together: their net is that of one process, and each ends with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edgecls.errors import UsageError
from edgecls.train import parallel
from edgecls.world import World, world

# Every training is made of forks of a process that has imported torch and computed nothing yet.
SCRIPT = """
import json, os, pathlib, socket, sys
import numpy as np
import torch
from torch import nn
from edgecls.core import Context
from edgecls.data import load
from edgecls.errors import UsageError
from edgecls.methods.train import METHOD
from edgecls.models import zoo
from edgecls.train import fit, losses, parallel
from edgecls.train.parts import Part
from edgecls.world import world

DATA, OUT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

def plain():
    return nn.Sequential(nn.Conv2d(1, 6, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(600, 10))

def lenet():
    return zoo.build("lenet5", 10, 1, (32, 32))

NETS = {"plain": plain, "thawed": plain, "norms": lenet}
OPTIONS = {
    "plain": dict(augment="none", l1=1e-4, clip_norm=1.0, keep="last"),
    "thawed": dict(augment="none", accumulate=2, keep="last"),
    "norms": dict(averaging="ema", ema_decay=0.9, flip="alternating", mixup=0.3, crop=0.1,
                  keep="best"),
}
PARTS = {"thawed": [Part(("0.weight", "0.bias"), from_epoch=2)]}

class Leave:
    '''Ends this process in the middle of an epoch.'''
    def __init__(self, epoch):
        self.note, self.steps = f"epoch {epoch}/", 0
    def step(self, done, total, note=""):
        self.steps += note.startswith(self.note)
        if self.steps == 2:
            os._exit(7)

def train(name, work, leave=-1, **more):
    place = world()
    options = METHOD.Options(epochs=3, batch_size=16, precision="fp32", **OPTIONS[name], **more)
    fit.set_up(1, 0)
    data = load(DATA)
    net = NETS[name]()
    folder = OUT / work / str(place.rank)
    folder.mkdir(parents=True, exist_ok=True)
    context = Context(data, 0, folder, Leave(leave), threads=1)
    curves = fit.fit(net, losses.hard(options, data), options, context, PARTS.get(name, ()))
    torch.save({"net": net.state_dict(), "curves": curves}, folder / "trained.pt")

def meet(name, work):
    place = parallel.join(torch.device("cpu"))
    rows = np.full((place.rank + 1, 2), place.rank, np.float32)
    told = {
        "gathered": parallel.gathered(rows, place).tolist(),
        "shared": parallel.shared({"rank": place.rank, "a": [1.5]}, place),
        "mean": parallel.mean(float(place.rank), place),
    }
    (OUT / f"{work} {place.rank}.json").write_text(json.dumps(told))

def refused(name, work):
    try:
        options = METHOD.Options(epochs=1, batch_size=18, precision="fp32")
        data = load(DATA)
        fit.fit(plain(), losses.hard(options, data), options, Context(data, 0, OUT))
    except UsageError as error:
        (OUT / f"{work} {world().rank}.json").write_text(json.dumps([error.cause, error.fix]))

def forked(size, job, *arguments, **more):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            try:
                if size > 1:
                    os.environ.update(
                        RANK=str(rank), WORLD_SIZE=str(size), LOCAL_RANK=str(rank),
                        LOCAL_WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1",
                        MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo",
                    )
                job(*arguments, **more)
            except BaseException as error:
                print(job, arguments, repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

assert forked(2, meet, "", "met") == [0, 0]
assert forked(2, refused, "", "refused") == [0, 0]
for name in NETS:
    assert forked(1, train, name, f"{name} alone") == [0]
    assert forked(2, train, name, f"{name} two") == [0, 0]
    assert any(forked(2, train, name, f"{name} broken", leave=3))
    assert forked(2, train, name, f"{name} broken") == [0, 0]
"""


@pytest.fixture(scope="module")
def out(prepared_folder, tmp_path_factory) -> Path:
    """What `SCRIPT` leaves: ``<training>/<rank>/trained.pt``."""
    folder = tmp_path_factory.mktemp("parallel")
    command = [sys.executable, "-c", SCRIPT, str(prepared_folder), str(folder)]
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**kept, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return folder


def trained(out: Path, work: str, rank: int = 0) -> tuple[dict[str, torch.Tensor], list]:
    found = torch.load(out / work / str(rank) / "trained.pt", weights_only=True)
    curves = [{k: v for k, v in row.items() if k != "seconds"} for row in found["curves"]]
    return found["net"], curves


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("name", ["plain", "thawed"])
def test_two_processes_train_the_net_of_one(out, name):
    alone, alone_curves = trained(out, f"{name} alone")
    two, two_curves = trained(out, f"{name} two")
    for tensor in alone:
        assert torch.allclose(two[tensor], alone[tensor], rtol=1e-3, atol=1e-5)
    for one, other in zip(alone_curves, two_curves, strict=True):
        assert other == pytest.approx(one, rel=1e-3)


@pytest.mark.parametrize("how", ["two", "broken"])
@pytest.mark.parametrize("name", ["plain", "thawed", "norms"])
def test_every_process_ends_with_the_same_net_and_curves(out, name, how):
    (one, one_curves), (other, other_curves) = (trained(out, f"{name} {how}", r) for r in (0, 1))
    assert same(one, other)
    assert one_curves == other_curves


@pytest.mark.parametrize("name", ["plain", "thawed", "norms"])
def test_what_was_interrupted_goes_on_in_every_process(out, name):
    """Also where only the first one sees the file of the state."""
    whole, curves = trained(out, f"{name} two")
    resumed, again = trained(out, f"{name} broken")
    assert same(whole, resumed)
    assert curves == again
    assert not (out / f"{name} broken" / "1" / "epoch.pt").exists()


@pytest.mark.parametrize("rank", [0, 1])
def test_they_tell_each_other(out, rank):
    told = json.loads((out / f"met {rank}.json").read_text())
    assert told == {
        "gathered": [[0, 0], [1, 1], [1, 1]],
        "shared": {"rank": 0, "a": [1.5]},
        "mean": 0.5,
    }


@pytest.mark.parametrize("rank", [0, 1])
def test_a_batch_that_cannot_be_shared_evenly_is_refused(out, rank):
    cause, fix = json.loads((out / f"refused {rank}.json").read_text())
    assert "batch_size 18 cannot be shared evenly by 2 processes" in cause
    assert fix == "make it a multiple of 4"


TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def environment(monkeypatch):
    """As torchrun sets it, but for what is told to be other; None is not set."""

    def be(**changes: str | None) -> None:
        for name, value in {**TORCHRUN, **changes}.items():
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)

    return be


def test_a_process_knows_its_place(environment):
    environment()
    assert world() == World(rank=1, size=2, local_rank=1, local_size=2)
    assert not world().is_first
    environment(RANK="0")
    assert world().is_first


def test_without_torchrun_one_is_alone(environment):
    environment(**dict.fromkeys(TORCHRUN))
    assert world() == World() and world().is_first


@pytest.mark.parametrize(
    "wrong",
    [
        {"RANK": "one"},
        {"WORLD_SIZE": ""},
        {"LOCAL_RANK": "x"},
        {"MASTER_ADDR": None},
        {"MASTER_PORT": None},
        {"RANK": None},
        {"RANK": "2"},
        {"RANK": "-1"},
    ],
    ids=str,
)
def test_an_environment_that_makes_no_sense_is_refused(environment, wrong):
    """Before one waits for hours for processes that never come."""
    environment(**wrong)
    with pytest.raises(UsageError) as caught:
        world()
    assert caught.value.fix == "start it with torchrun"


def test_alone_nobody_is_asked():
    rows = np.zeros((2, 2), np.float32)
    net = torch.nn.Linear(1, 1)
    assert parallel.gathered(rows, World()) is rows
    assert parallel.shared(net, World()) is net
    assert parallel.mean(1.5, World()) == 1.5
    assert parallel.wrapped(net, World(), torch.device("cpu"), thaws=True) is net
