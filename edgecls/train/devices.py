"""Where a training runs."""

from __future__ import annotations

import torch

from edgecls.errors import UsageError
from edgecls.world import world


def resolve(name: str) -> str:
    """torch's name of the device. auto: a GPU of its own for every process, else the CPU.

    Raises UsageError for a device that this machine or this torch lacks.
    """
    kind, _, index = name.partition(":")
    if name == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda":
        return _cuda(int(index or world().local_rank))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("this machine has no Metal device", "set device to cpu")
    return kind


def _cuda(index: int) -> str:
    if not torch.cuda.is_available():
        raise UsageError(
            "no CUDA device can be used here",
            "set device to cpu, or install NVIDIA's driver and a torch with CUDA",
        )
    if index >= torch.cuda.device_count():
        raise UsageError(
            f"there is no cuda:{index}: this machine has {torch.cuda.device_count()}",
            "name another device, or start no more processes than there are GPUs",
        )
    return f"cuda:{index}"
