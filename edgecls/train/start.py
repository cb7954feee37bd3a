"""The net that a training begins with."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from edgecls.core import Context
from edgecls.models import zoo
from edgecls.models.normalise import Normalise
from edgecls.train.fit import to_batch
from edgecls.train.options import FitOptions

# Enough for the statistics of small patches.
IMAGES = 5000
# A training sees BatchNorm's memory pass so many times at least; torch's own momentum is the limit.
PASSES, MOMENTUM = 100, 0.1


@runtime_checkable
class DataDependent(Protocol):
    """A net whose start is computed from images."""

    def initialise(self, images: Tensor) -> None:
        """images: normalised float[N, C, H, W] of the training split."""
        ...


def fresh(arch: str, options: FitOptions, context: Context) -> nn.Module:
    """The net of `arch` for the data, with fresh weights from torch's generator."""
    data = context.data
    net = zoo.build(
        arch,
        len(data.labels),
        data.preprocess.channels,
        data.preprocess.size,
        dropout=options.dropout,
        stochastic_depth=options.stochastic_depth,
    )
    _hasten_norms(net, options.epochs * max(1, len(data["train"][0]) // options.batch_size))
    if isinstance(net, DataDependent):
        images = data["train"][0]
        drawn = np.random.default_rng(context.seed).permutation(len(images))[:IMAGES]
        net.initialise(Normalise(data.preprocess)(to_batch(images[np.sort(drawn)])))
    return net


def _hasten_norms(net: nn.Module, steps: int) -> None:
    """Let BatchNorm's statistics follow a training that is short for them.

    MobileNetV3, MNASNet and others remember 100 to 3,000 steps, as long trainings on ImageNet want
    it. In a few hundred steps they would keep what they began with, and be at chance in use.
    """
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.momentum is not None:
            module.momentum = max(module.momentum, min(MOMENTUM, PASSES / max(1, steps)))
