"""torchvision's classifiers, for 1 or 3 channels and for any size that they can take.

Besides them two for small images: ``mobilenet_v2_32`` and ``mobilenet_v3_small_32`` keep the full
resolution in their first convolution (stride 1 instead of 2), and nothing else: the weights of the
nets that they come from fit them. To spare the next stride as well, as many do for CIFAR, takes 3.5
times the MACs of that, in training too.
"""

from __future__ import annotations

from typing import Any

import torchvision
from torch import nn

from edgecls.errors import UsageError

STRIDE_1 = {"mobilenet_v2_32": "mobilenet_v2", "mobilenet_v3_small_32": "mobilenet_v3_small"}


def names() -> list[str]:
    """Every classifier, our variants included."""
    return sorted([*torchvision.models.list_models(module=torchvision.models), *STRIDE_1])


def family(arch: str) -> str:
    """The paper's nets that belong together, such as ``resnet``."""
    builder = torchvision.models.get_model_builder(origin(arch))
    return str(builder.__module__).rpartition(".")[2]


def origin(arch: str) -> str:
    """torchvision's own name of a net, under which its weights are published."""
    return STRIDE_1.get(arch, arch)


def build(arch: str, num_classes: int, in_channels: int, size: tuple[int, int]) -> nn.Module:
    """The net with fresh weights. Raises UsageError or ValueError where it cannot take the size."""
    net: nn.Module = torchvision.models.get_model(
        origin(arch), weights=None, num_classes=num_classes, **_arguments(arch, size)
    )
    first = first_convolution(net)
    if arch in STRIDE_1:
        first.stride = (1, 1)
    if in_channels != first.in_channels:
        # A part of it, and not a new one: it keeps the net's own initialisation.
        first.weight = nn.Parameter(first.weight.detach()[:, :in_channels].clone())
        first.in_channels = in_channels
    return net


def _arguments(arch: str, size: tuple[int, int]) -> dict[str, Any]:
    if arch in ("googlenet", "inception_v3"):
        # Their auxiliary heads give a tuple in training; init_weights avoids a slow scipy path.
        return {"aux_logits": False, "init_weights": True}
    if arch == "maxvit_t":
        return {"input_size": size}
    if arch.startswith("vit_"):
        if size[0] != size[1]:
            raise UsageError(f"{arch} takes square images only", "set data.size to one number")
        return {"image_size": size[0]}
    return {}


def first_convolution(net: nn.Module) -> nn.Conv2d:
    """The convolution that the image meets. Raises UsageError where there is none."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            return module
    raise UsageError("this net has no convolution", "choose another net")
