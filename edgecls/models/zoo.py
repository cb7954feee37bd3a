"""A net by its name: our small ones, torchvision's classifiers, and timm's as ``timm/NAME``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from edgecls.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from torch import nn

SMALL = ("lenet5", "resnet8", "resnet20", "resnet56", "airbench94", "airbench95", "airbench96")
OWN = (*SMALL, "rowgru")
TIMM = "timm/"
# Sizes tried for an error's cure: nets want multiples of a patch, a window or their stride.
LARGEST_TRIED, STEPS_TRIED = 512, (14, 16)


def names() -> list[str]:
    """Every architecture that `build` knows, timm's apart."""
    from edgecls.models import vision

    return [*OWN, *vision.names()]


def family(arch: str) -> str:
    """The nets that belong together: ``edgecls`` for our own, else the library's module."""
    if arch in OWN:
        return "edgecls"
    from edgecls.models import timms, vision

    return timms.family(arch) if arch.startswith(TIMM) else vision.family(arch)


def build(
    arch: str,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    dropout: float | None = None,
    stochastic_depth: float | None = None,
) -> nn.Module:
    """A net with fresh weights from torch's generator, in training mode.

    in_channels: 1 or 3. size: (height, width) of its input; a net that cannot take it is an error
    here and not in the middle of a training. dropout, stochastic_depth: probabilities instead of
    the net's own, the latter of its last block. Raises UsageError, or MissingDependency.
    """
    price(arch, num_classes, in_channels, size, dropout, stochastic_depth)
    return _made(arch, num_classes, in_channels, size, dropout, stochastic_depth).train()


def price(
    arch: str,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    dropout: float | None = None,
    stochastic_depth: float | None = None,
) -> tuple[int, int]:
    """(MACs, parameters) of what `build` would make, in a fraction of a second. Raises as it does.

    The error for a size that the net cannot take names the next larger one.
    """
    try:
        return _tried(arch, num_classes, in_channels, size, dropout, stochastic_depth)
    except (RuntimeError, ValueError, AssertionError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"{arch} cannot take images of {size[0]}×{size[1]} pixels ({why})",
            _other_size(arch, in_channels, max(size)),
        ) from error


def _tried(
    arch: str,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    dropout: float | None = None,
    stochastic_depth: float | None = None,
) -> tuple[int, int]:
    """`price`, which raises whatever the net raises."""
    import torch

    from edgecls.models import cost
    from edgecls.models.weightless import Weightless

    def passed(mode: AbstractContextManager[Any]) -> tuple[Any, int, int]:
        with torch.inference_mode(False), torch.no_grad(), mode:
            net = _made(arch, num_classes, in_channels, size, dropout, stochastic_depth)
        logits, macs = cost.pass_through(net.to("meta").eval(), (in_channels, *size))
        return logits, macs, cost.num_params(net)

    try:
        logits, macs, num_params = passed(Weightless())
    except RuntimeError:
        if not arch.startswith(TIMM):
            raise
        # Some of timm's keep tables that are no buffers: those `to` does not move.
        logits, macs, num_params = passed(torch.device("meta"))
    if not isinstance(logits, torch.Tensor) or logits.shape != (1, num_classes):
        raise UsageError(f"{arch} is not a classifier", "choose another net")
    return macs, num_params


def _other_size(arch: str, in_channels: int, side: int) -> str:
    """The cure for a side that does not suit: the next that does, found by trying."""
    tried = sorted(n for step in STEPS_TRIED for n in range(step, LARGEST_TRIED + 1, step))
    larger = next((n for n in tried if n > side and _fits(arch, in_channels, n)), None)
    if larger is None:
        return "choose a smaller net, such as resnet8"
    while larger - 1 > side and _fits(arch, in_channels, larger - 1):
        larger -= 1
    return f"set data.size to {larger}, the next larger one that it takes, or choose a smaller net"


def _fits(arch: str, in_channels: int, side: int) -> bool:
    try:
        _tried(arch, 2, in_channels, (side, side))
    except (RuntimeError, ValueError, AssertionError):
        return False
    return True


def _made(
    arch: str,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    dropout: float | None,
    stochastic_depth: float | None,
) -> nn.Module:
    from edgecls.models import regularise, timms, vision

    if arch.startswith(TIMM):
        return timms.build(arch, num_classes, in_channels, size, dropout, stochastic_depth)
    if arch in OWN:
        net = _own(num_classes, in_channels, size)[arch]()
    elif arch in vision.names():
        net = vision.build(arch, num_classes, in_channels, size)
    else:
        raise unknown_name("net", arch, names())
    regularise.regularise(net, arch, dropout, stochastic_depth)
    return net


def _own(
    num_classes: int, in_channels: int, size: tuple[int, int]
) -> dict[str, Callable[[], nn.Module]]:
    """`OWN`, as functions that make them."""
    from edgecls.models.airbench import Airbench
    from edgecls.models.recurrent import RowGRU
    from edgecls.models.small import LeNet5, SmallResNet

    return {
        "lenet5": lambda: LeNet5(num_classes, in_channels, size),
        "resnet8": lambda: SmallResNet(1, num_classes, in_channels),
        "resnet20": lambda: SmallResNet(3, num_classes, in_channels),
        "resnet56": lambda: SmallResNet(9, num_classes, in_channels),
        "airbench94": lambda: Airbench((64, 256, 256), 2, num_classes, in_channels),
        "airbench95": lambda: Airbench((128, 384, 384), 2, num_classes, in_channels),
        "airbench96": lambda: Airbench((128, 384, 512), 3, num_classes, in_channels),
        "rowgru": lambda: RowGRU(num_classes, in_channels, size[1]),
    }
