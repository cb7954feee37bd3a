"""What a net costs: multiply-accumulates and parameters."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def count(net: nn.Module, input_shape: tuple[int, int, int]) -> tuple[int, int]:
    """(MACs, parameters) of one image of shape (C, H, W), counted by torch-pruning."""
    import torch
    import torch_pruning

    # Counting hooks onto the modules and changes their mode: not on the caller's net.
    macs, params = torch_pruning.utils.count_ops_and_params(
        copy.deepcopy(net).eval(), torch.zeros(1, *input_shape)
    )
    return int(macs), int(params)
