"""What a training has come to, and how it outlives the process."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from edgecls.train import parallel
from edgecls.train.averaging import Average
from edgecls.world import World


@dataclass
class Progressed:
    """What a training has come to. best: the state of the best validation so far."""

    epoch: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    best_score: tuple[float, float] = (-1.0, 0.0)

    def keep_best(self, net: nn.Module, epoch: int, val_top1: float, val_loss: float) -> None:
        """Keep the weights of the best top-1; of equals, those of the lower loss."""
        if (val_top1, -val_loss) > self.best_score:
            self.best_score, self.best_epoch = (val_top1, -val_loss), epoch
            self.best = {name: t.detach().cpu().clone() for name, t in net.state_dict().items()}


@dataclass(frozen=True)
class Stores:
    """The file of a training's state, and what belongs into it."""

    path: Path
    net: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    scaler: torch.amp.GradScaler | None = None

    def save(self, state: Progressed, place: World) -> None:
        """Write beside and rename; the first process only."""
        if not place.is_first:
            return
        beside = self.path.with_suffix(".part")
        torch.save(
            {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": self.average.tensors,
                "scaler": self.scaler.state_dict() if self.scaler else {},
                "state": vars(state),
            },
            beside,
        )
        beside.replace(self.path)

    def restore(self, place: World) -> Progressed:
        """What an earlier process came to; fresh where there was none, or a power cut spoiled it.

        A state of another net raises: its workdir belongs to one stage alone.
        """
        saved = None
        if place.is_first and zipfile.is_zipfile(self.path):
            saved = torch.load(self.path, weights_only=True, map_location="cpu")
        # The others may run on machines that do not see the file.
        saved = parallel.shared(saved, place)
        if saved is None:
            return Progressed()
        self.net.load_state_dict(saved["net"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for name, tensor in saved["average"].items():
            self.average.tensors[name].copy_(tensor)
        if self.scaler and saved["scaler"]:
            self.scaler.load_state_dict(saved["scaler"])
        return Progressed(**saved["state"])
