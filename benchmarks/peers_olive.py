"""The user script that Olive asks for: the net, and the calibration images in its registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from olive.data.registry import Registry  # type: ignore[import-not-found]
from peers_convert import INPUT, images, loaded


def net(given: str) -> Any:
    return loaded(Path(given))


class Batches:
    """What Olive iterates: a batch of one image and its label, which calibration ignores."""

    def __init__(self, given: str) -> None:
        self.images = images(Path(given))

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[tuple[dict[str, Any], int]]:
        return iter([({INPUT: image}, 0) for image in self.images])


@Registry.register_dataset()  # type: ignore[untyped-decorator]
def calibration_images(given: str, **unused: Any) -> Batches:
    return Batches(given)


@Registry.register_dataloader()  # type: ignore[untyped-decorator]
def as_they_are(dataset: Batches, **unused: Any) -> Batches:
    return dataset
