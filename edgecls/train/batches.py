"""The batches of an epoch: drawn, gathered and augmented, ahead of a training or between its steps.

A batch is a function of (seed, epoch, index) alone, so that a training can go on after any epoch,
and so that no thread's timing shows in a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from edgecls.core import Classes, Images
from edgecls.train.augment import Augmentation, augment

# Batches that are made while one is trained on.
AHEAD = 2


@dataclass(frozen=True)
class Batch:
    """images: float[N, C, H, W] in 0..255. classes: int64[N]. generator: for further draws."""

    images: Tensor
    classes: Tensor
    generator: Generator


@dataclass(frozen=True)
class Loader:
    """Images and their classes, and how batches are made of them.

    balanced: classes are drawn alike, each epoch with replacement. rank, ranks: which share of
    every batch is this process's. ahead: in a thread, which pays where a core is idle.
    """

    images: Images
    classes: Classes
    batch_size: int
    how: Augmentation
    seed: int
    balanced: bool = False
    rank: int = 0
    ranks: int = 1
    ahead: bool = True

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._cuts()) + 1

    def _cuts(self) -> list[int]:
        count = even(len(self.images), 2 * self.ranks)
        return list(range(self.batch_size, count - self.batch_size // 2 + 1, self.batch_size))

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of `epoch` (from 1)."""
        parts = np.split(self._order(epoch), self._cuts())
        if not self.ahead:
            for index, part in enumerate(parts):
                yield self._make(epoch, index, part)
            return
        # One worker: batches are made in order, and its own thread count is one core's.
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            pending = [pool.submit(self._make, epoch, i, p) for i, p in enumerate(parts[:AHEAD])]
            for index in range(len(parts)):
                batch = pending.pop(0).result()
                if index + AHEAD < len(parts):
                    pending.append(
                        pool.submit(self._make, epoch, index + AHEAD, parts[index + AHEAD])
                    )
                yield batch

    def _order(self, epoch: int) -> NDArray[Any]:
        """The images of an epoch; as many as every process can have evenly."""
        generator = seeded(self.seed, epoch)
        count = len(self.images)
        if self.balanced:
            weights = 1 / np.bincount(self.classes)[self.classes]
            drawn = torch.multinomial(
                torch.from_numpy(weights), count, replacement=True, generator=generator
            )
        else:
            drawn = torch.randperm(count, generator=generator)
        order: NDArray[Any] = drawn[: even(count, 2 * self.ranks)].numpy()
        return order

    def _make(self, epoch: int, index: int, chosen: NDArray[Any]) -> Batch:
        # In the order of the file: it is mapped, and may be larger than the memory.
        mine = np.sort(chosen[self.rank :: self.ranks])
        generator = seeded(self.seed, epoch, index, self.rank)
        images = torch.from_numpy(np.ascontiguousarray(self.images[mine]))
        mirrored = None
        if self.how.flip == "alternating":
            mirrored = self._mirrored(epoch)[torch.from_numpy(mine)]
        return Batch(
            augment(images, self.how, generator, mirrored),
            torch.from_numpy(np.asarray(self.classes)[mine]),
            generator,
        )

    def _mirrored(self, epoch: int) -> Tensor:
        """bool[images]: a half is mirrored in odd epochs, the other half in even ones."""
        first = torch.rand(len(self.images), generator=seeded(self.seed)) < 0.5
        return first ^ bool(epoch % 2)


def even(count: int, divisor: int) -> int:
    """`count` without what is left over by `divisor`, but at least that.

    Every batch is even, at the price of one image of an epoch at most: on AVX-512, oneDNN's
    gradient of a strided 1×1 convolution with 8 channels reads past the end of an odd batch (seen
    with torch 2.14 as a segmentation fault).
    """
    return max(divisor, count // divisor * divisor)


def seeded(*key: int) -> Generator:
    """A generator of its own for every key."""
    # The length too: numpy pads a key with zeros, so that (1,) and (1, 0) would be the same.
    words = np.random.SeedSequence((len(key), *key)).generate_state(2).tolist()
    return torch.Generator().manual_seed(words[0] << 31 | words[1] >> 1)
