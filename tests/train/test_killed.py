"""A training that is killed again and again ends with the same bits as one that is left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

# What is killed are forks of a process that has imported torch and computed nothing yet.
SCRIPT = """
import os, pathlib, signal, sys
import torch
from edgecls.core import Context, SilentProgress
from edgecls.data import load
from edgecls.methods.train import METHOD
from edgecls.models import zoo
from edgecls.train import fit, losses

DATA, OUT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
OPTIONS = {
    "ema": dict(averaging="ema", ema_decay=0.95, optimizer="adamw", schedule="plateau", plateau=1,
                flip="alternating", mixup=0.4, lr=0.01),
    "lookahead": dict(averaging="lookahead", schedule="one-cycle", start_lr=0.2, augment="strong",
                      cutmix=1.0, sampling="balanced", accumulate=2, bias_lr=4.0, l1=1e-5),
}
EPOCHS = 6

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Kill:
    '''Kills this process in the middle of an epoch, or at the very end of one.'''
    def __init__(self, epoch, at):
        self.note, self.at, self.steps = f"epoch {epoch}/", at, 0
    def step(self, done, total, note=""):
        self.steps += note.startswith(self.note)
        if self.steps == self.at:
            die()

def in_the_save(epoch, half):
    '''Kills this process before the state is renamed into place, or with half of it written.'''
    save, replace = torch.save, pathlib.Path.replace
    def written(content, path):
        if content["state"]["epoch"] != epoch:
            return save(content, path)
        save(content, path)
        if half:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            die()
        pathlib.Path.replace = lambda self, target: die()
    torch.save = written

def train(name, work, progress=None):
    options = METHOD.Options(epochs=EPOCHS, batch_size=16, precision="fp32", **OPTIONS[name])
    fit.set_up(1, 0)
    data = load(DATA)
    net = zoo.build("lenet5", 10, 1, (32, 32))
    (OUT / work).mkdir(exist_ok=True)
    context = Context(data, 0, OUT / work, progress or SilentProgress(), threads=1)
    curves = fit.fit(net, losses.hard(options, data), options, context)
    torch.save({"net": net.state_dict(), "curves": curves}, OUT / f"{work}.pt")

def forked(*arguments, before=lambda: None, progress=None):
    child = os.fork()
    if child == 0:
        try:
            before()
            train(*arguments, progress)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

for name in OPTIONS:
    killed = f"{name} killed"
    assert forked(name, f"{name} whole") == 0
    assert forked(name, killed, progress=Kill(1, 2)) == -9
    assert forked(name, killed, before=lambda: in_the_save(2, half=False)) == -9
    assert forked(name, killed, progress=Kill(3, 1)) == -9
    assert forked(name, killed, before=lambda: in_the_save(4, half=True)) == -9
    assert forked(name, killed, progress=Kill(5, 4)) == -9
    assert forked(name, killed) == 0
"""


@pytest.fixture(scope="module")
def trained(prepared_folder, tmp_path_factory) -> Path:
    """``<name> whole.pt`` and ``<name> killed.pt`` of every training."""
    out = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-c", SCRIPT, str(prepared_folder), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("name", ["ema", "lookahead"])
def test_a_training_that_was_killed_five_times_ends_with_the_same_bits(trained, name):
    whole, killed = (
        torch.load(trained / f"{name} {how}.pt", weights_only=True) for how in ("whole", "killed")
    )
    assert whole["net"].keys() == killed["net"].keys()
    assert all(torch.equal(t, killed["net"][n]) for n, t in whole["net"].items())
    one, other = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in found["curves"]]
        for found in (whole, killed)
    )
    assert one == other and len(one) == 6


def test_nothing_half_written_is_left(trained):
    assert not list(trained.rglob("*.part"))
