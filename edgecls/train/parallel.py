"""Several processes that train one net: what ``torchrun`` starts, on one machine or many.

Each process computes its share of every batch, and the gradients are averaged (gloo on CPUs, nccl
on GPUs). Only the first process writes; the others wait for it, and follow what it decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgecls.world import World, world

# A teacher's export or a decoding of all images may lie between two meetings.
PATIENCE = timedelta(hours=12)


def join(device: torch.device) -> World:
    """Meet the other processes, once; returns this one's place."""
    found = world()
    if found.size > 1 and not torch.distributed.is_initialized():
        backend = "nccl" if device.type == "cuda" else "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(device)  # what nccl sends objects by
        torch.distributed.init_process_group(backend, timeout=PATIENCE)
    return found


def wrapped(net: nn.Module, place: World, device: torch.device, thaws: bool) -> nn.Module:
    """`net` whose gradients are averaged over all processes.

    thaws: whether some parameters learn only later, and have no gradient until then.
    """
    if place.size == 1:
        return net
    ids = [device.index] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(net, device_ids=ids, find_unused_parameters=thaws)


def apart(net: nn.Module, wanted: bool) -> AbstractContextManager[None]:
    """Where `wanted`, gradients are summed up without being averaged over the processes yet."""
    if wanted and isinstance(net, nn.parallel.DistributedDataParallel):
        waiting: AbstractContextManager[None] = net.no_sync()
        return waiting
    return nullcontext()


def shared(value: Any, place: World) -> Any:
    """What the first process has, in every process. Tensors, numbers, lists and dictionaries."""
    if place.size == 1:
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box)
    return box[0]


def gathered(part: NDArray[np.float32], place: World) -> NDArray[np.float32]:
    """All processes' rows, in the order of their ranks."""
    if place.size == 1:
        return part
    parts: list[Any] = [None] * place.size
    torch.distributed.all_gather_object(parts, part)
    whole: NDArray[np.float32] = np.concatenate(parts)
    return whole


def agree(tensors: Iterable[Tensor], place: World) -> None:
    """Make `tensors` the first process's in every process, in place."""
    if place.size > 1:
        for tensor in tensors:
            torch.distributed.broadcast(tensor, 0)


def mean(value: float, place: World) -> float:
    """The mean of all processes' values."""
    if place.size == 1:
        return value
    values: list[Any] = [None] * place.size
    torch.distributed.all_gather_object(values, value)
    return float(np.mean(values))
