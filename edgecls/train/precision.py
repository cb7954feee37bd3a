"""In which precision a training multiplies: half where the device gains from it."""

from __future__ import annotations

import torch
from torch import nn

from edgecls import hardware
from edgecls.errors import UsageError
from edgecls.train.options import Precision

# CPUs that multiply bf16 natively; without it, it is emulated, and slower.
BF16_FEATURES = frozenset({"avx512_bf16", "amx_bf16"})


def resolve(precision: Precision, net: nn.Module, device: torch.device) -> torch.dtype | None:
    """The type of autocast, or None for fp32. Raises UsageError for what the device lacks.

    auto is bf16 (fp16 on GPUs that lack it) where it is native; not on CPUs for nets with grouped
    convolutions, whose bf16 kernels were measured to be slower than the fp32 ones.
    """
    if precision == "fp32":
        return None
    if precision == "fp16":
        if device.type == "cpu":
            raise UsageError("fp16 cannot be trained on a CPU", "set precision to bf16 or fp32")
        return torch.float16
    if precision == "bf16":
        return torch.bfloat16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    native = BF16_FEATURES.intersection(hardware.here().features)
    grouped = any(isinstance(m, nn.Conv2d) and m.groups > 1 for m in net.modules())
    return torch.bfloat16 if device.type == "cpu" and native and not grouped else None
