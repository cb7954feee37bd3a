"""The optimizer of a training, and which parameters learn how fast and from when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgecls.train.lion import Lion
from edgecls.train.options import FitOptions
from edgecls.train.parts import Part


def build(net: nn.Module, options: FitOptions, parts: Sequence[Part]) -> torch.optim.Optimizer:
    """The optimizer over all parameters that ever learn; its rates are set by `set_rates`."""
    groups = _groups(net, options, parts)
    match options.optimizer:
        case "sgd":
            nesterov = options.nesterov and options.momentum > 0
            return torch.optim.SGD(
                groups, lr=0.0, momentum=options.momentum, nesterov=nesterov, fused=True
            )
        case "adam":
            return torch.optim.Adam(groups, lr=0.0, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=0.0, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=0.0, momentum=options.momentum)
        case "lion":
            return Lion(groups, lr=0.0)


def set_rates(optimizer: torch.optim.Optimizer, rate: float, epoch: int) -> None:
    """Set every group's learning rate; parameters whose time has not come are left alone."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
        learns = epoch >= group["from_epoch"]
        for parameter in group["params"]:
            parameter.requires_grad_(learns)


def _groups(net: nn.Module, options: FitOptions, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and norms.

    A parameter that `net` itself has frozen stays so; one in no part learns from the start.
    """
    part_of = {name: part for part in parts for name in part.names}
    groups: dict[tuple[float, int, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        part = part_of.get(name, Part(()))
        if not parameter.requires_grad:
            continue
        if part.from_epoch == 0:
            parameter.requires_grad_(False)
            continue
        key = (part.lr_scale, part.from_epoch, parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr_scale": lr_scale * (1.0 if decayed else options.bias_lr),
            "from_epoch": from_epoch,
            "weight_decay": options.weight_decay if decayed else 0.0,
        }
        for (lr_scale, from_epoch, decayed), parameters in groups.items()
    ]
