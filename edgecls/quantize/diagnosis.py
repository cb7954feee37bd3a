"""What a diagnosis of int8 says: a row a layer, and the advice that follows. Values and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecls.errors import EdgeclsError
from edgecls.rundir import write_text

FORMAT = 1
NAME = "diagnosis.json"
# A layer is named in the advice where it alone costs so much, or this share of all that is lost.
NAMED_POINTS, NAMED_SHARE, MOST_NAMED = 0.5, 0.25, 5
_FINE_POINTS = 0.3
# Of fewer images that are lost nothing is said.
_FEWEST_IMAGES = 3


@dataclass(frozen=True)
class LayerCost:
    """One layer. Decibels are signal to noise, capped at 99; None where there is nothing of it.

    output_db: of its output when only this layer is quantized; weights_db, input_db: of its
    weights and of its input tensor on their own. drop_alone: points of accuracy that are lost when
    only this layer is quantized; gain_without: that come back when all but this one are.
    divergence_alone, divergence_without: the mean Kullback-Leibler divergence, in nats, of the
    answers from the float net's, in the same two cases. imbalance: the largest of its input's
    channels over their median.
    """

    layer: str
    kind: str
    output_db: float
    weights_db: float | None
    input_db: float | None
    drop_alone: float
    gain_without: float
    divergence_alone: float
    divergence_without: float
    imbalance: float | None = None


@dataclass(frozen=True)
class Diagnosis:
    """All layers, the costliest first.

    judged: what accuracy is: ``accuracy`` on labelled images, or ``agreement`` with the float net.
    float_accuracy, int8_accuracy: fractions of 1. emulated: in what the figures were computed.
    """

    target: str
    scheme: str
    remedies: Mapping[str, Any]
    judged: str
    images: str
    num_images: int
    float_accuracy: float
    int8_accuracy: float
    divergence: float
    layers: tuple[LayerCost, ...]
    emulated: str
    seconds: float = 0.0
    num_evaluations: int = 0
    format: int = FORMAT

    @property
    def drop(self) -> float:
        """Points of accuracy that int8 costs."""
        return 100 * (self.float_accuracy - self.int8_accuracy)

    def culprits(self) -> list[LayerCost]:
        """The layers that are worth naming: none where int8 costs next to nothing."""
        if self.drop < _FINE_POINTS:
            return []
        # Rounded as the costs of the layers are.
        least = max(NAMED_POINTS, round(100 * _FEWEST_IMAGES / self.num_images, 4))
        found = [
            each
            for each in self.layers
            if each.drop_alone >= least or self._share(each) >= NAMED_SHARE
        ]
        return found[:MOST_NAMED]

    def _share(self, each: LayerCost) -> float:
        """Of the whole divergence, what goes when this layer stays in float."""
        if self.divergence <= 0:
            return 0.0
        return (self.divergence - each.divergence_without) / self.divergence

    def write(self, path: Path) -> None:
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Diagnosis:
        """Raises EdgeclsError for another format."""
        if data.get("format") != FORMAT:
            raise EdgeclsError("a diagnosis of another format", "diagnose it again")
        try:
            layers = tuple(LayerCost(**each) for each in data["layers"])
            return Diagnosis(**{**data, "layers": layers})
        except (TypeError, KeyError) as error:
            raise EdgeclsError(f"a damaged diagnosis: {error}", "diagnose it again") from error


def advice(found: Diagnosis, command: str) -> list[str]:
    """Sentences: what is wrong, and what to run. command: as it is to be run, without remedies."""
    told = f"int8 costs {found.drop:.2f} points of {found.judged} on {found.num_images} images."
    worst = found.culprits()
    if not worst:
        small = found.drop < _FINE_POINTS
        rest = "Nothing needs to be done." if small else "No layer stands out: it is spread."
        return [f"{told} {rest}", *([] if small else [_climb(command)])]
    sentences = [told, *(_about(each) for each in worst)]
    remedies = found.remedies
    if not remedies["equalise"] and any((each.imbalance or 0) >= 8 for each in worst):
        sentences.append(f"Even the channels out: {command} --equalise")
    if remedies["ranges"] == "mean":
        sentences.append(f"Cut nothing off that only some images have: {command} --ranges minmax")
    if remedies["ranges"] == "minmax":
        sentences.append(f"Cut rare extremes: {command} --ranges histogram")
    if remedies["bias_correction"] != "full":
        sentences.append(f"Correct the means: {command} --bias-correction full")
    names = ",".join(each.layer for each in worst)
    sentences.append(f"Keep them in float, which costs time: {command} --float-layers {names}")
    return [*sentences, _climb(command)]


def _climb(command: str) -> str:
    return f"Try all of it in turn: {command} --max-drop 0.5 --data DIR"


def _about(each: LayerCost) -> str:
    uneven = ""
    if each.imbalance is not None and each.imbalance >= 8:
        uneven = f"; its input's largest channel is {each.imbalance:.0f} times the median one"
    return (
        f"{each.layer} ({each.kind}) costs {each.drop_alone:.2f} points alone, and "
        f"{each.gain_without:.2f} come back without it; its output has {each.output_db:.0f} dB"
        f"{uneven}."
    )


def order(layers: Sequence[LayerCost], divergence: float) -> list[LayerCost]:
    """The costliest first. divergence: with all layers in int8.

    What goes when a layer stays in float counts as a share of the whole, what it costs alone as a
    share of the worst: two layers cost the same alone where a tensor between them is what breaks,
    and just the one that reads it mends it.
    """
    worst = max((each.divergence_alone for each in layers), default=0.0) or 1.0
    whole = divergence or 1.0

    def share(each: LayerCost) -> float:
        return (divergence - each.divergence_without) / whole + each.divergence_alone / worst

    return sorted(layers, key=share, reverse=True)
