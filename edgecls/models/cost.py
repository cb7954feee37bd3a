"""What a net costs: multiply-accumulates and parameters.

A MAC is one multiplication and addition of a convolution or a matrix product, attention's and a
GRU's included; biases, norms, activations and poolings are not counted. So are the figures that
torchvision publishes with its weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def count(net: nn.Module, input_shape: tuple[int, int, int]) -> tuple[int, int]:
    """(MACs, parameters) of one image of shape (C, H, W). `net` is left alone.

    Nothing is computed, so that it takes a fraction of a second for any net.
    """
    from edgecls.models.weightless import without_weights

    return pass_through(without_weights(net), input_shape)[1], num_params(net)


def pass_through(shell: nn.Module, input_shape: tuple[int, int, int]) -> tuple[Any, int]:
    """(what comes out, MACs) of one image through a net on the meta device."""
    import torch

    from edgecls.models.weightless import Products

    # Not inference_mode: it hides the products of which an operator is composed.
    with torch.inference_mode(False), torch.no_grad(), Products() as products:
        out = shell(torch.empty(1, *input_shape, device="meta"))
    return out, products.flops // 2


def num_params(net: nn.Module) -> int:
    """Weights, those too that are not trained; without buffers, such as BatchNorm's statistics."""
    return sum(parameter.numel() for parameter in net.parameters())
