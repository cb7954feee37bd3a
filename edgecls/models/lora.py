"""Low-rank adapters (Hu et al. 2022): each layer learns a product of two thin matrices.

Only the adapters and the head learn, by peft, an extra. Merged into the weights afterwards, they
leave the plain architecture. Grouped convolutions, for which a merge is not defined, and layers
whose weights are used past their own ``forward``, as Swin's attention does, get none.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from edgecls.errors import MissingDependency, UsageError
from edgecls.models.pretrained import head_of


class Adapters:
    """Adapters in a net that is changed in place, until they are merged."""

    def __init__(self, net: nn.Module, handle: Any) -> None:
        self._net, self._handle = net, handle

    def merge(self) -> None:
        """Add what the adapters have learned to the weights and remove them, in place."""
        merged = self._handle.merge_and_unload()
        assert merged is self._net


def attach(net: nn.Module, rank: int, alpha: float, input_shape: tuple[int, int, int]) -> Adapters:
    """Put adapters into `net` in place and freeze all else but the head.

    alpha: what they add is scaled by alpha / rank. input_shape: (C, H, W). Raises
    MissingDependency, and UsageError for a net without a layer to adapt.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingDependency("peft", "lora") from error
    head = head_of(net)
    targets = [name for name in _adaptable(net, input_shape) if name != head]
    if not targets:
        raise UsageError("this net has no layer that LoRA can adapt", "leave lora_rank at 0")
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, target_modules="|".join(re.escape(name) for name in targets)
    )
    handle = peft.get_peft_model(net, config)
    net.get_submodule(head).requires_grad_(True)
    return Adapters(net, handle)


def _adaptable(net: nn.Module, input_shape: tuple[int, int, int]) -> list[str]:
    """The layers that are called in a forward pass and can be adapted and merged."""
    from edgecls.models.weightless import without_weights

    called = set()
    shell = without_weights(net)
    for name, module in shell.named_modules():
        if isinstance(module, nn.Linear | nn.MultiheadAttention) or (
            isinstance(module, nn.Conv2d) and module.groups == 1
        ):
            module.register_forward_pre_hook(lambda *_, name=name: called.add(name))
    with torch.no_grad():
        shell(torch.empty(1, *input_shape, device="meta"))
    return [name for name, _ in net.named_modules() if name in called]
