"""Which layers cost the accuracy of int8: each quantized alone, and each left out alone.

It runs in ONNX Runtime with the target's scheme and places of the Q/DQ pairs, and stands for the
target's own graph. Where that one is another, and can be taken apart here, its own answers decide;
the decibels are of the graph in ONNX Runtime all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecls.core import (
    Classes,
    Images,
    Logits,
    Placement,
    Progress,
    Remedies,
    Scheme,
    Variants,
)
from edgecls.device.measure import probabilities
from edgecls.errors import ConversionError, UsageError
from edgecls.quantize import layers as names
from edgecls.quantize import ptq, running
from edgecls.quantize.diagnosis import Diagnosis, LayerCost, order

if TYPE_CHECKING:
    import onnx

_SHOWN, _MOST_DB = 64, 99.0


@dataclass(frozen=True)
class Task:
    """What is diagnosed. scheme, placement, variants: the target's."""

    target: str
    graph: Path
    scheme: Scheme
    placement: Placement
    remedies: Remedies
    variants: Callable[[Path, Scheme, Images, Remedies], Variants] | None = None


@dataclass(frozen=True)
class Judges:
    """The images that decide. classes: None, and the float net's own answers stand for them."""

    name: str
    images: Images
    classes: Classes | None = None


def diagnose(task: Task, judges: Judges, calibration: Images, progress: Progress) -> Diagnosis:
    """Every layer's cost. Raises ConversionError, and UsageError where nothing can be judged."""
    if not len(judges.images):
        raise UsageError("there are no images to judge by", "give some with --data")
    begin = time.monotonic()
    subject = ptq.subject(task.graph, calibration, task.remedies)
    bench = _Bench(task, subject, judges, calibration)
    whole = bench.ask()
    chosen = [each for each in bench.layers() if each[0] not in task.remedies.float_layers]
    found = []
    for index, (layer, node) in enumerate(chosen):
        progress.step(index, len(chosen), layer)
        cost = bench.cost(layer, node, whole)
        if cost is not None:
            found.append(cost)
    return Diagnosis(
        target=task.target,
        scheme=task.scheme.name,
        remedies=task.remedies.to_json(),
        judged="agreement" if judges.classes is None else "accuracy",
        images=judges.name,
        num_images=len(judges.images),
        float_accuracy=bench.right(bench.reference),
        int8_accuracy=bench.right(whole),
        divergence=bench.divergence(whole),
        layers=tuple(order(found, bench.divergence(whole))),
        emulated=bench.told,
        seconds=round(time.monotonic() - begin, 1),
        num_evaluations=bench.evaluations,
    )


class _Bench:
    """Variants of one quantized graph, and their answers."""

    def __init__(
        self, task: Task, subject: ptq.Subject, judges: Judges, calibration: Images
    ) -> None:
        self._task, self._subject, self.evaluations = task, subject, 0
        self._images = np.asarray(judges.images)
        self._own: Variants | None = None
        self.told = f"the scheme {task.scheme.name} in ONNX Runtime on this host's CPU"
        if task.variants is not None:
            self._own = task.variants(task.graph, task.scheme, calibration, task.remedies)
            self.told = self._own.told
        self._nodes = {node.name: node for node in subject.model.graph.node}
        self.reference = running.logits(subject.model, self._images)
        self._ranges = ptq.chosen(subject, task.scheme, task.remedies)
        self._shown = self._tensors()
        # A tensor is the matter of the layers that read it, not of the one that gives it: so it is
        # where one layer alone is in float, and so it must be where one alone is quantized.
        kinds = {node.op_type for node in subject.model.graph.node}
        self._alone = replace(task.placement, fused=tuple(sorted(kinds)), shortcuts=False)
        self._classes = (
            self.reference.argmax(1) if judges.classes is None else np.asarray(judges.classes)
        )

    def _tensors(self) -> running.Arrays:
        """What the layers read and give in float, on a few images."""
        wanted: list[str] = []
        for _, node in self.layers():
            wanted += [self._nodes[node].input[0], *self._nodes[node].output]
        known = [name for name in dict.fromkeys(wanted) if name in self._subject.seen]
        found = running.tensors(self._subject.model, known, self._images[:_SHOWN])
        return next(found) if known else {}

    def layers(self) -> list[tuple[str, str]]:
        """(layer, node) of all that the tool left in the graph."""
        kinds = self._task.placement.op_types
        return [
            (layer, node)
            for layer, node in self._subject.names.items()
            if node in self._nodes and (not kinds or self._nodes[node].op_type in kinds)
        ]

    def right(self, logits: Logits) -> float:
        return float((logits.argmax(1) == self._classes).mean())

    def divergence(self, logits: Logits) -> float:
        """Mean Kullback-Leibler divergence from the float net's answers, in nats."""
        p, q = (np.maximum(probabilities(each, 1.0), 1e-9) for each in (self.reference, logits))
        return float((p * np.log(p / q)).sum(axis=1).mean())

    def ask(self) -> Logits:
        """The answers with everything in int8."""
        self.evaluations += 1
        if self._own is not None:
            return self._own.without((), self._images)
        return running.logits(self._variant(()), self._images)

    def cost(self, layer: str, node: str, whole: Logits) -> LayerCost | None:
        """None for a layer that the tool does not quantize."""
        alone = self._variant((node,))
        if not any(each.op_type == "QuantizeLinear" for each in alone.graph.node):
            return None
        if self._own is not None and not self._own.quantizes(node):
            return None
        only, without = self._both(layer, node, alone)
        made = self._nodes[node]
        return LayerCost(
            layer=layer,
            kind=made.op_type,
            output_db=self._output_db(node, alone),
            weights_db=self._weights_db(made, alone),
            input_db=self._input_db(made.input[0]),
            drop_alone=round(100 * (self.right(self.reference) - self.right(only)), 4),
            gain_without=round(100 * (self.right(without) - self.right(whole)), 4),
            divergence_alone=self.divergence(only),
            divergence_without=self.divergence(without),
            imbalance=self._imbalance(made) if made.op_type in names.WEIGHTED else None,
        )

    def _variant(
        self, only: Sequence[str], float_layers: tuple[str, ...] | None = None
    ) -> onnx.ModelProto:
        # Without the bias correction, which would be another one for every variant.
        given = self._task.remedies
        remedies = Remedies(
            ranges=given.ranges,
            percentile=given.percentile,
            float_layers=given.float_layers if float_layers is None else float_layers,
        )
        return ptq.quantized(
            self._subject,
            self._task.scheme,
            self._alone if only else self._task.placement,
            remedies,
            only=only,
            ranges=self._ranges,
        )

    def _both(self, layer: str, node: str, alone: onnx.ModelProto) -> tuple[Logits, Logits]:
        """The answers with only that layer in int8, and with all but that one."""
        self.evaluations += 2
        if self._own is not None:
            return self._own.alone(node, self._images), self._own.without([node], self._images)
        rest = (*self._task.remedies.float_layers, layer)
        without = self._variant((), float_layers=rest)
        return running.logits(alone, self._images), running.logits(without, self._images)

    def _output_db(self, node: str, alone: onnx.ModelProto) -> float:
        """Of what the layer gives, before an activation."""
        tensor = self._nodes[node].output[0]
        before = self._shown[tensor]
        after = next(running.tensors(alone, [tensor], self._images[:_SHOWN]))[tensor]
        count = min(len(before), len(after))
        return _decibels(before[:count], after[:count])

    def _weights_db(self, node: onnx.NodeProto, alone: onnx.ModelProto) -> float | None:
        from onnx import numpy_helper

        constants = {each.name: each for each in self._subject.model.graph.initializer}
        name = node.input[1] if node.op_type in names.WEIGHTED else ""
        if name not in constants:
            return None
        quantized = {each.name: each for each in alone.graph.initializer}
        made = {output: each for each in alone.graph.node for output in each.output}
        layer = next(each for each in alone.graph.node if each.name == node.name)
        if layer.input[1] not in made:
            return None
        values, scale = (
            numpy_helper.to_array(quantized[each]) for each in made[layer.input[1]].input[:2]
        )
        weight = numpy_helper.to_array(constants[name])
        axis = next((int(a.i) for a in made[layer.input[1]].attribute if a.name == "axis"), 0)
        shape = [-1 if i == axis and scale.ndim else 1 for i in range(weight.ndim)]
        return _decibels(weight, values.astype(np.float32) * scale.reshape(shape))

    def _input_db(self, tensor: str) -> float | None:
        seen = self._subject.seen.get(tensor)
        if seen is None:
            return None
        low, high = self._ranges[tensor]
        step = max(high - low, 1e-12) / 255
        kept = np.clip(np.round(seen.sample / step), round(low / step), round(high / step)) * step
        return _decibels(seen.sample, kept)

    def _imbalance(self, node: onnx.NodeProto) -> float | None:
        """The largest channel of a layer's input over the median one."""
        tensor = node.input[0]
        if tensor not in self._shown or self._shown[tensor].ndim < 2:
            return None
        found = self._shown[tensor]
        tops = np.abs(found).max(axis=(0, *range(2, found.ndim)))
        median = float(np.median(tops[tops > 0])) if (tops > 0).any() else 0.0
        return round(float(tops.max()) / median, 2) if median else None


def _decibels(signal: NDArray[Any], found: NDArray[Any]) -> float:
    if signal.shape != found.shape:
        raise ConversionError(f"tensors of {signal.shape} and {found.shape}", "report this net")
    noise = float(((signal.astype(np.float64) - found) ** 2).sum())
    power = float((signal.astype(np.float64) ** 2).sum())
    if noise <= 0 or power <= 0:
        return _MOST_DB
    return round(min(_MOST_DB, 10 * float(np.log10(power / noise))), 1)
