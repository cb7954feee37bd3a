"""The normalisation of `Preprocess`, as the module that training runs and every graph carries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecls.device.preprocess import Preprocess


class Normalise(nn.Module):
    """``(x / 255 - mean) / std`` of float[N, C, H, W], as one subtraction and one product."""

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        mean = torch.tensor(preprocess.mean, dtype=torch.float64).view(1, -1, 1, 1)
        std = torch.tensor(preprocess.std, dtype=torch.float64).view(1, -1, 1, 1)
        self.register_buffer("offset", (mean * 255).float())
        self.register_buffer("scale", (1 / (std * 255)).float())

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.offset) * self.scale  # type: ignore[operator]


class Deployable(nn.Module):
    """The net as it ships: uint8[N, H, W, C] in, logits float32[N, K] out.

    Cast first and permute then: TensorRT refuses a transposition of uint8. Contiguous after that,
    or the exporter writes the strides out as gathers.
    """

    def __init__(self, net: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.net = net
        self.normalise = Normalise(preprocess)

    def forward(self, image: Tensor) -> Tensor:
        return self.net(self.normalise(image.float().permute(0, 3, 1, 2)).contiguous())  # type: ignore[no-any-return]
