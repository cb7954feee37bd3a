"""The price of a cut that is measured: on the converted net, beside the uncut one.

An untrained cut is as quick as a trained one, so the search comes before the fine-tuning. Every
measurement is kept in the work folder: a search that was killed goes on with the next one.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from edgecls.core import Context, Latency
from edgecls.errors import UsageError
from edgecls.models import checkpoint as checkpoints
from edgecls.models import cost, cuts
from edgecls.models.checkpoint import Checkpoint
from edgecls.models.edits import cut_edit
from edgecls.rundir import write_text
from edgecls.train.pruning.choosing import Choice, Ranking
from edgecls.train.pruning.cutting import cut
from edgecls.train.pruning.options import PruneOptions


@dataclass
class Measured:
    """Latencies of choices, in the file `path`. points: as they were measured."""

    net: nn.Module
    parent: Checkpoint
    ranking: Ranking
    options: PruneOptions
    context: Context
    path: Path
    whole: cuts.Record
    points: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.points = _read(self.path)

    def __call__(self, choice: Choice) -> float:
        """The share of the uncut net's latency that is left, or milliseconds, as the goal is."""
        point = next((p for p in self.points if p["choice"] == list(choice)), None)
        if point is None:
            found, macs = self._measure(choice)
            point = {
                "choice": list(choice),
                "ms": round(found.ms, 5),
                "uncut_ms": round(found.beside_ms, 5),
                "ratio": round(found.ratio, 5),
                "macs": macs,
            }
            self.points.append(point)
            write_text(self.path, json.dumps(self.points, indent=1) + "\n")
        if self.options.latency_ms is not None:
            return float(point["ms"])
        return float(point["ratio"])

    def _measure(self, choice: Choice) -> tuple[Latency, int]:
        if self.context.cost is None:
            raise UsageError(
                "there is nothing here that measures a latency",
                "prune with: edgecls prune, or edgecls run; or aim at macs_ratio",
            )
        number = len(self.points) + 1
        self.context.progress.step(number, number + 1, f"measuring cut {number}")
        net = copy.deepcopy(self.net)
        cut(net, self.ranking.drops(choice))
        folder = self.path.parent / "candidate"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        layers = cuts.changed(self.whole, cuts.forms(net))
        checkpoints.save(
            folder,
            net,
            self.parent.arch,
            self.context.data,
            metrics=self.parent.metrics,
            provenance=self.parent.provenance,
            curves=[],
            edits=[*self.parent.edits, cut_edit(layers)],
        )
        target, precision = self.options.latency_target, self.options.latency_precision
        found = self.context.cost(folder, self.parent.folder, target, precision)
        shutil.rmtree(folder)
        return found, cost.count(net, self.parent.input_shape)[0]

    def uncut_ms(self) -> float:
        """The uncut net's p50; measured before anything else, and the deepest cut's with it."""
        self(self.ranking.most())
        return float(self.points[0]["uncut_ms"])

    def told(self) -> list[Mapping[str, Any]]:
        """The points for the checkpoint's provenance."""
        fields = ("ms", "uncut_ms", "ratio", "macs")
        return [{name: point[name] for name in fields} for point in self.points]


def _read(path: Path) -> list[dict[str, Any]]:
    """What was measured before; nothing where the file is not there or not whole."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    fields = {"choice", "ms", "uncut_ms", "ratio", "macs"}
    whole = isinstance(found, Sequence) and all(fields <= set(point) for point in found)
    return list(found) if whole else []
