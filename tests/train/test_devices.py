"""Where a training runs, on machines that these tests need not have."""

from __future__ import annotations

import pytest
import torch

from edgecls.errors import UsageError
from edgecls.train import devices


@pytest.fixture
def gpus(monkeypatch):
    """Let this machine have so many GPUs of CUDA."""

    def have(count: int, local_rank: int = 0) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setenv("LOCAL_RANK", str(local_rank))

    return have


def test_auto_without_a_gpu_is_the_cpu(gpus):
    gpus(0)
    assert devices.resolve("auto") == "cpu"


@pytest.mark.parametrize("name", ["auto", "cuda"])
@pytest.mark.parametrize("local_rank", [0, 1])
def test_every_process_gets_a_gpu_of_its_own(name, local_rank, gpus):
    gpus(2, local_rank)
    assert devices.resolve(name) == f"cuda:{local_rank}"


def test_a_numbered_gpu_and_the_cpu_are_taken_as_named(gpus):
    gpus(2)
    assert devices.resolve("cuda:1") == "cuda:1"
    assert devices.resolve("cpu") == "cpu"


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_cuda_is_refused_where_it_cannot_be_used(name, gpus):
    gpus(0)
    with pytest.raises(UsageError, match="no CUDA device") as caught:
        devices.resolve(name)
    assert "set device to cpu" in caught.value.fix


def test_more_processes_than_gpus_are_refused(gpus):
    gpus(1, local_rank=1)
    with pytest.raises(UsageError, match="there is no cuda:1: this machine has 1") as caught:
        devices.resolve("auto")
    assert "no more processes than there are GPUs" in caught.value.fix


def test_metal_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no Metal device") as caught:
        devices.resolve("mps")
    assert "cpu" in caught.value.fix
