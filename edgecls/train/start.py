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
    if isinstance(net, DataDependent):
        images = data["train"][0]
        drawn = np.random.default_rng(context.seed).permutation(len(images))[:IMAGES]
        net.initialise(Normalise(data.preprocess)(to_batch(images[np.sort(drawn)])))
    return net
