"""What quantization-aware training does before and beside `fit`: first steps, and late freezing."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edgecls.core import Images
from edgecls.models.normalise import Normalise
from edgecls.models.quantized import trace
from edgecls.train.fit import reestimate_batchnorm, to_batch
from edgecls.train.hooks import NoHook

BATCH = 64
# Training images that BatchNorm's last statistics come from.
BATCHNORM_IMAGES = 4096


def choose_steps(net: nn.Module, normalise: Normalise, images: Images) -> None:
    """Give every rounding its first step, from `images` uint8[N, H, W, C], with rounded weights."""
    fakes = list(trace.fakes(net))
    for fake in fakes:
        fake.watching = True
    net.eval()
    with torch.no_grad():
        for start in range(0, len(images), BATCH):
            net(normalise(to_batch(images[start : start + BATCH])))
    for fake in fakes:
        fake.settle()


def spread(images: Images, seed: int) -> Images:
    """At most `BATCHNORM_IMAGES` of them, drawn once."""
    rows = np.random.default_rng(seed).permutation(len(images))[:BATCHNORM_IMAGES]
    return np.ascontiguousarray(images[np.sort(rows)])


class Freezing(NoHook):
    """From a share of the epochs on, BatchNorm keeps its statistics, and the steps stay.

    So the last epochs train the very net that ships: BatchNorm is folded into its weights. The
    statistics that it keeps are those of `images` uint8[N, H, W, C] as they are: a training's last
    batches are few, and augmented.
    """

    def __init__(
        self, freeze_bn: float, freeze_observers: float, normalise: nn.Module, images: Images
    ) -> None:
        self.freeze_bn, self.freeze_observers = freeze_bn, freeze_observers
        self._normalise, self._images = normalise, images
        self._steps_stay = False

    def begin_epoch(self, net: nn.Module, epoch: int, epochs: int) -> None:
        done = (epoch - 1) / epochs
        self._steps_stay = done >= self.freeze_observers
        freezes = 0 <= done - self.freeze_bn < 1 / epochs
        if freezes and epoch > 1 and len(self._images) > 1:
            reestimate_batchnorm(net, self._normalise, self._images)
        if done >= self.freeze_bn:
            for module in net.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def after_backward(self, net: nn.Module) -> None:
        if self._steps_stay:
            for fake in trace.fakes(net):
                fake.step.grad = None
