"""A net by its name: our small ones, torchvision's classifiers, and timm's as ``timm/NAME``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Wanted:
    """What a net is to be. size: (height, width). The probabilities are None for the net's own."""

    arch: str
    num_classes: int
    in_channels: int
    size: tuple[int, int]
    dropout: float | None = None
    stochastic_depth: float | None = None


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
    wanted = Wanted(arch, num_classes, in_channels, size, dropout, stochastic_depth)
    _price(wanted)
    return _made(wanted).train()


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
    return _price(Wanted(arch, num_classes, in_channels, size, dropout, stochastic_depth))


def _price(wanted: Wanted) -> tuple[int, int]:
    try:
        return _tried(wanted)
    except (RuntimeError, ValueError, AssertionError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        height, width = wanted.size
        raise UsageError(
            f"{wanted.arch} cannot take images of {height}×{width} pixels ({why})",
            _other_size(wanted),
        ) from error


def _tried(wanted: Wanted) -> tuple[int, int]:
    """`price`, which raises whatever the net raises."""
    import torch

    from edgecls.models import cost
    from edgecls.models.weightless import Weightless

    def passed(mode: AbstractContextManager[Any]) -> tuple[Any, int, int]:
        with torch.inference_mode(False), torch.no_grad(), mode:
            net = _made(wanted)
        shape = (wanted.in_channels, *wanted.size)
        logits, macs = cost.pass_through(net.to("meta").eval(), shape)
        return logits, macs, cost.num_params(net)

    try:
        logits, macs, num_params = passed(Weightless())
    except RuntimeError:
        if not wanted.arch.startswith(TIMM):
            raise
        # Some of timm's keep tables that are no buffers: those `to` does not move.
        logits, macs, num_params = passed(torch.device("meta"))
    if not isinstance(logits, torch.Tensor) or logits.shape != (1, wanted.num_classes):
        raise UsageError(f"{wanted.arch} is not a classifier", "choose another net")
    return macs, num_params


def _other_size(wanted: Wanted) -> str:
    """The cure for a side that does not suit: the next that does, found by trying."""
    plain = Wanted(wanted.arch, 2, wanted.in_channels, wanted.size)
    side = max(wanted.size)
    tried = sorted(n for step in STEPS_TRIED for n in range(step, LARGEST_TRIED + 1, step))
    larger = next((n for n in tried if n > side and _fits(plain, n)), None)
    if larger is None:
        return "choose a smaller net, such as resnet8"
    while larger - 1 > side and _fits(plain, larger - 1):
        larger -= 1
    return f"set data.size to {larger}, the next larger one that it takes, or choose a smaller net"


def _fits(wanted: Wanted, side: int) -> bool:
    try:
        _tried(replace(wanted, size=(side, side)))
    except (RuntimeError, ValueError, AssertionError):
        return False
    return True


def _made(wanted: Wanted) -> nn.Module:
    from edgecls.models import regularise, timms, vision

    if wanted.arch.startswith(TIMM):
        return timms.build(wanted)
    if wanted.arch in OWN:
        net = _own(wanted)
    elif wanted.arch in vision.names():
        net = vision.build(wanted.arch, wanted.num_classes, wanted.in_channels, wanted.size)
    else:
        raise unknown_name("net", wanted.arch, names())
    regularise.regularise(net, wanted.arch, wanted.dropout, wanted.stochastic_depth)
    return net


def _own(wanted: Wanted) -> nn.Module:
    """One of `OWN`."""
    from edgecls.models.airbench import Airbench
    from edgecls.models.recurrent import RowGRU
    from edgecls.models.small import LeNet5, SmallResNet

    ends, size = (wanted.num_classes, wanted.in_channels), wanted.size
    makers: dict[str, Callable[[], nn.Module]] = {
        "lenet5": lambda: LeNet5(*ends, size),
        "resnet8": lambda: SmallResNet(1, *ends),
        "resnet20": lambda: SmallResNet(3, *ends),
        "resnet56": lambda: SmallResNet(9, *ends),
        "airbench94": lambda: Airbench((64, 256, 256), 2, *ends),
        "airbench95": lambda: Airbench((128, 384, 384), 2, *ends),
        "airbench96": lambda: Airbench((128, 384, 512), 3, *ends),
        "rowgru": lambda: RowGRU(*ends, size[1]),
    }
    return makers[wanted.arch]()
