"""`edgecls train` under torchrun: one checkpoint, as if one process had made it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

FLAGS = ("--arch", "lenet5", "--epochs", "8", "--batch-size", "16", "--threads", "1")


def torchrun(folder, *flags, processes=2):
    """`edgecls train` in so many processes; torchrun's own variables are set by it alone."""
    kept = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "MASTER_ADDR")}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", "-m", "edgecls", *flags]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=kept, timeout=300, check=False
    )


def test_two_processes_make_one_checkpoint_and_use_it_again(tmp_path, digit_images):
    train = ("train", "--data", str(digit_images), *FLAGS)
    done = torchrun(tmp_path, *train, "--out", "net")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("checkpoint: net\n") == 1  # one of them speaks
    described = json.loads((tmp_path / "net/checkpoint.json").read_text())
    assert described["metrics"]["validation"]["top1"] > 0.4
    assert {path.name for path in tmp_path.iterdir()} == {"net", ".store"}
    again = torchrun(tmp_path, *train, "--out", "again")
    assert again.returncode == 0, again.stderr
    assert "epoch" not in again.stderr
    same = json.loads((tmp_path / "again/checkpoint.json").read_text())
    assert same["weights_sha256"] == described["weights_sha256"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("train", "--batch-size", "6", "--arch", "lenet5"), "cannot be shared evenly by 2"),
        (("run",), "a whole run is the work of one process"),
    ],
)
def test_what_cannot_be_shared_is_a_usage_error(tmp_path, flags, told):
    done = torchrun(tmp_path, *flags)
    assert done.returncode != 0
    assert "error: " in done.stderr and told in done.stderr
    # The only traceback is torchrun's own, of the processes that it lost.
    assert done.stderr.count("Traceback") == done.stderr.count("ChildFailedError:") == 1
