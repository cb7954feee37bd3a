"""The nets of timm, an extra: ``timm/NAME``."""

from __future__ import annotations

from typing import Any

from torch import nn

from edgecls.errors import MissingDependency, UsageError, unknown_name

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


def build(
    arch: str,
    num_classes: int,
    in_channels: int,
    size: tuple[int, int],
    dropout: float | None,
    stochastic_depth: float | None,
) -> nn.Module:
    """The net with fresh weights. Raises UsageError, or MissingDependency without timm."""
    timm = _timm()
    name = arch.removeprefix(PREFIX)
    if not timm.is_model(name):
        raise unknown_name("net", arch, names())
    # Given to all nets, those of any size would refuse it.
    fixed = getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False)
    try:
        net: nn.Module = timm.create_model(
            name,
            num_classes=num_classes,
            in_chans=in_channels,
            img_size=size if fixed else None,
            drop_rate=dropout,
            drop_path_rate=stochastic_depth,
        )
    except TypeError as error:
        raise UsageError(
            f"{arch} does not take these arguments ({error})",
            "leave out dropout and stochastic_depth, or choose another net",
        ) from error
    return net
