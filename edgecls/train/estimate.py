"""How long a training will take: a few timed steps of the very nets, times their number."""

from __future__ import annotations

import time

import torch
from torch import nn

from edgecls.core import Workload
from edgecls.models import zoo
from edgecls.train.fit import set_up
from edgecls.train.options import FitOptions, Precision
from edgecls.train.precision import resolve

# Augmentation, the optimizer and validation come on top of the timed steps.
OVERHEAD = 1.3


def training_seconds(
    arch: str, options: FitOptions, work: Workload, *teachers: str, taught: float = 1.0
) -> float:
    """The estimated seconds of a `fit`; teachers add their forward pass.

    taught: the share of the epochs in which they answer; in the others, what they answered before.
    """
    set_up(work.threads, seed=0)
    # Even, as the batches of `fit` are.
    size = max(2, min(options.batch_size, work.num_images // 2 * 2))
    batch = torch.zeros(size, work.preprocess.channels, *work.preprocess.size)
    batch = batch.contiguous(memory_format=torch.channels_last)
    seconds = _timed(_net(arch, work), batch, options.precision, backward=True)
    for teacher in teachers:
        seconds += taught * _timed(_net(teacher, work), batch, options.precision, backward=False)
    return OVERHEAD * seconds * options.epochs * max(1, round(work.num_images / size))


def _net(arch: str, work: Workload) -> nn.Module:
    net = zoo.build(arch, work.num_classes, work.preprocess.channels, work.preprocess.size)
    return net.to(memory_format=torch.channels_last)


def _timed(net: nn.Module, batch: torch.Tensor, precision: Precision, backward: bool) -> float:
    """Seconds of one step on the CPU: the quicker of two after one to warm up."""
    half = resolve(precision, net, batch.device) if precision != "fp16" else None
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        autocast = torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None)
        with torch.set_grad_enabled(backward), autocast:
            value = net(batch).float().pow(2).mean()
        if backward:
            value.backward()
        taken.append(time.perf_counter() - begin)
    return min(taken[1:])
