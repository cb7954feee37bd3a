"""The net of the fast recipe: six convolutions behind one that whitens 2×2 patches.

Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024), airbench94, 95 and 96:
BatchNorm without a scale, a Dirac start that passes the image through, and logits that are scaled
down. The recipe that belongs to it is ``benchmarks/recipes/cifar-fast.toml``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecls.errors import UsageError

# BatchNorm follows the last batches closely: a training of few epochs has no time for averages.
BATCHNORM_MOMENTUM = 0.4
LOGIT_SCALE = 1 / 9
# The patches of all images at once would take four times their memory, in doubles eight.
IMAGES_AT_ONCE = 256
SMALLEST_SIDE = 9


class ConvGroup(nn.Module):
    """Two (or three) 3×3 convolutions, the first one pooled to half the side.

    depth 3 adds a third convolution with a residual around it and the second.
    """

    def __init__(self, in_channels: int, channels: int, depth: int) -> None:
        super().__init__()
        self.conv1 = _convolution(in_channels, channels)
        self.pool = nn.MaxPool2d(2)
        self.norm1 = _norm(channels)
        self.conv2 = _convolution(channels, channels)
        self.norm2 = _norm(channels)
        self.conv3: nn.Module = nn.Identity()
        self.norm3: nn.Module = nn.Identity()
        self.is_residual = depth == 3
        if self.is_residual:
            self.conv3, self.norm3 = _convolution(channels, channels), _norm(channels)
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.norm1(self.pool(self.conv1(x))))
        y = self.norm2(self.conv2(x))
        if self.is_residual:
            y = self.norm3(self.conv3(self.activation(y))) + x
        return self.activation(y)  # type: ignore[no-any-return]


class Airbench(nn.Module):
    """A whitening 2×2 convolution, three groups and a linear head, for small square images.

    widths: channels of the three groups. depth: convolutions of each, 2 or (airbench96) 3.
    """

    def __init__(
        self, widths: tuple[int, int, int], depth: int, num_classes: int, in_channels: int
    ) -> None:
        super().__init__()
        # The filters and their negatives: what one half's GELU swallows the other passes on.
        whitened = 2 * in_channels * 4
        self.whiten = nn.Conv2d(in_channels, whitened, 2)
        self.whiten.weight.requires_grad_(False)
        self.activation = nn.GELU()
        channels = (whitened, *widths)
        self.groups = nn.Sequential(
            *(ConvGroup(channels[i], channels[i + 1], depth) for i in range(3))
        )
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.head = nn.Linear(widths[-1], num_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        _refuse_small(x)
        features = self.pool(self.groups(self.activation(self.whiten(x))))
        return self.head(torch.flatten(features, 1)) * LOGIT_SCALE  # type: ignore[no-any-return]

    def initialise(self, images: Tensor) -> None:
        """Set the first layer to whiten normalised float[N, C, H, W]; it is not trained."""
        self.whiten.weight.data.copy_(whitening_filters(images))
        nn.init.zeros_(self.whiten.bias)  # type: ignore[arg-type]


@torch.fx.wrap
def _refuse_small(x: Tensor) -> None:
    """Apart from the net, so that its path does not depend on the image where it is traced."""
    if min(x.shape[-2:]) < SMALLEST_SIDE:
        raise ValueError(f"three poolings need {SMALLEST_SIDE} pixels")


def whitening_filters(images: Tensor, eps: float = 5e-4) -> Tensor:
    """float[2 · C·4, C, 2, 2]: principal patches over their deviation, and their negatives.

    Raises UsageError where there are no patches.
    """
    if not len(images):
        raise UsageError("no images to whiten by", "give the training split some images")
    side = images.shape[1] * 4
    moments, count = torch.zeros(side, side, dtype=torch.float64), 0
    for part in torch.split(images, IMAGES_AT_ONCE):
        patches = part.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5)
        flat = patches.reshape(-1, side).double()
        moments += flat.T @ flat
        count += len(flat)
    values, vectors = torch.linalg.eigh(moments / count)
    scaled = vectors.T.reshape(-1, images.shape[1], 2, 2) / torch.sqrt(values + eps).view(
        -1, 1, 1, 1
    )
    return torch.cat([scaled, -scaled]).to(images.dtype)


def _convolution(in_channels: int, channels: int) -> nn.Conv2d:
    convolution = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(convolution.weight[: min(in_channels, channels)])
    return convolution


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=BATCHNORM_MOMENTUM)
    norm.weight.requires_grad_(False)
    return norm
