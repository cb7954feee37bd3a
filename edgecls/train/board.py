"""The figures of every epoch for TensorBoard, while a training runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from edgecls.errors import MissingDependency


def board(folder: Path) -> Callable[[Mapping[str, float]], None]:
    """A `Context.log` that writes event files into `folder`. Raises MissingDependency."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependency("tensorboard", "tensorboard") from error
    # A training that goes on tells its earlier epochs again: they replace those that are there.
    writer = SummaryWriter(str(folder), purge_step=1)

    def log(figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            if name != "epoch":
                writer.add_scalar(name, value, int(figures["epoch"]))
        writer.flush()

    return log
