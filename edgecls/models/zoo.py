"""A net by its name: our small ones, and every classifier of torchvision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgecls.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from torch import nn

SMALL = ("lenet5", "resnet8", "resnet20", "resnet56")


def names() -> list[str]:
    """Every architecture that `build` knows."""
    import torchvision

    classifiers = torchvision.models.list_models(module=torchvision.models)
    return [*SMALL, *sorted(classifiers)]


def build(arch: str, num_classes: int, in_channels: int, size: tuple[int, int]) -> nn.Module:
    """A net with fresh weights from torch's generator, in training mode.

    in_channels: 1 or 3. size: (height, width) of its input, with which it is run once, so that a
    net that cannot take it is an error here and not in the middle of a training.
    """
    import torch

    net = _small(arch, num_classes, in_channels) or _torchvision(arch, num_classes, in_channels)
    net.eval()
    try:
        with torch.no_grad():
            logits = net(torch.zeros(1, in_channels, *size))
    except (RuntimeError, ValueError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise UsageError(
            f"{arch} cannot take images of {size[0]}×{size[1]} pixels ({why})",
            "choose another data.size, mostly a larger one, or a smaller net such as resnet8",
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.shape != (1, num_classes):
        raise UsageError(f"{arch} is not a classifier", "choose another net")
    return net.train()


def _small(arch: str, num_classes: int, in_channels: int) -> nn.Module | None:
    if arch not in SMALL:
        return None
    from edgecls.models.small import LeNet5, SmallResNet

    makers: dict[str, Callable[[], nn.Module]] = {
        "lenet5": lambda: LeNet5(num_classes, in_channels),
        "resnet8": lambda: SmallResNet(1, num_classes, in_channels),
        "resnet20": lambda: SmallResNet(3, num_classes, in_channels),
        "resnet56": lambda: SmallResNet(9, num_classes, in_channels),
    }
    return makers[arch]()


def _torchvision(arch: str, num_classes: int, in_channels: int) -> nn.Module:
    import torchvision

    if arch not in torchvision.models.list_models(module=torchvision.models):
        raise unknown_name("net", arch, names())
    extra = {}
    if arch in ("googlenet", "inception_v3"):
        # Their auxiliary heads give a tuple in training; init_weights avoids a slow scipy path.
        extra = {"aux_logits": False, "init_weights": True}
    net: nn.Module = torchvision.models.get_model(
        arch, weights=None, num_classes=num_classes, **extra
    )
    if in_channels != 3:
        _replace_first_convolution(net, in_channels)
    return net


def _replace_first_convolution(net: nn.Module, in_channels: int) -> None:
    """Let `net` take `in_channels`: its first convolution is the one that the image meets."""
    from torch import nn

    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            parent = net.get_submodule(name.rpartition(".")[0])
            first = nn.Conv2d(
                in_channels,
                module.out_channels,
                module.kernel_size,  # type: ignore[arg-type]
                module.stride,  # type: ignore[arg-type]
                module.padding,  # type: ignore[arg-type]
                module.dilation,  # type: ignore[arg-type]
                module.groups,
                module.bias is not None,
            )
            setattr(parent, name.rpartition(".")[2], first)
            return
    raise UsageError("this net has no convolution to adapt to grayscale", "set data.mode to RGB")
