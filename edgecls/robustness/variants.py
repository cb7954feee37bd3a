"""The changed pictures of some images, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecls.robustness.corruptions import corrupted

Bytes = NDArray[np.uint8]
# Up to here all pictures are kept for the next model; beyond it they are made again for each.
_MAX_KEPT_BYTES = 256 << 20


class Variants(Mapping[str, Bytes]):
    """``<corruption>-<severity>`` -> uint8[N, H, W, C]."""

    def __init__(
        self,
        images: Bytes,
        corruptions: Sequence[str],
        severities: Sequence[int],
        seed: int,
        mode: str,
    ) -> None:
        self.names = {
            f"{name}-{severity}": (name, severity)
            for name in corruptions
            for severity in severities
        }
        self._images, self._seed, self._mode = images, seed, mode
        self._keep = images.nbytes * len(self.names) <= _MAX_KEPT_BYTES
        self._kept: dict[str, Bytes] = {}

    def __getitem__(self, label: str) -> Bytes:
        found = self._kept.get(label)
        if found is None:
            found = corrupted(self._images, *self.names[label], self._seed, self._mode)
            if self._keep:
                self._kept[label] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
