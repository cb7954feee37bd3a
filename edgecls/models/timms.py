"""The nets of timm, an extra: ``timm/NAME``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from edgecls.errors import MissingDependency, UsageError, unknown_name

if TYPE_CHECKING:
    from edgecls.models.zoo import Wanted

PREFIX = "timm/"


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise MissingDependency("timm", "timm") from error
    return timm


def names() -> list[str]:
    """Every net, with its prefix. Raises MissingDependency."""
    return [PREFIX + name for name in _timm().list_models()]


def family(arch: str) -> str:
    """timm's module of a net, with the prefix."""
    entry = _timm().model_entrypoint(arch.removeprefix(PREFIX))
    return PREFIX + str(entry.__module__).rpartition(".")[2]


def build(wanted: Wanted) -> nn.Module:
    """The net with fresh weights. Raises UsageError, or MissingDependency without timm."""
    timm = _timm()
    name = wanted.arch.removeprefix(PREFIX)
    if not timm.is_model(name):
        raise unknown_name("net", wanted.arch, names())
    # Given to all nets, those of any size would refuse it.
    fixed = getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False)
    try:
        net: nn.Module = timm.create_model(
            name,
            num_classes=wanted.num_classes,
            in_chans=wanted.in_channels,
            img_size=wanted.size if fixed else None,
            drop_rate=wanted.dropout,
            drop_path_rate=wanted.stochastic_depth,
        )
    except TypeError as error:
        raise UsageError(
            f"{wanted.arch} does not take these arguments ({error})",
            "leave out dropout and stochastic_depth, or choose another net",
        ) from error
    return net
