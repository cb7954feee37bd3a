"""Which values of a captured graph are int8, and the Q/DQ pairs that make them so.

Rounded are the inputs of every layer that is int8 and its output, behind the ReLU that is computed
with it: XNNPACK and LiteRT compute a layer in int8 only where a DQ stands right before and a Q
right behind it. The logits are rounded too, for the last layer would be in float otherwise. What
only moves values gets the range of what it moves.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx
from torch.ao.quantization.fx import _decomposed  # noqa: F401 - registers the operators

from edgecls.quantize.program import capture, nodes

LOW, HIGH = -128, 127
WEIGHT_LIMIT, REDUCED_LIMIT = 127, 64
# Below this a tensor holds nothing but zeros.
LEAST_STEP = 1e-10
ops = torch.ops.quantized_decomposed
# Layer -> its int8 weights, and a step for each output channel.
Weights = Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Plan:
    """What is int8. layers: names of nodes; values: node -> the group that shares one range."""

    layers: tuple[str, ...]
    values: Mapping[str, str]


@dataclass(frozen=True)
class Grid:
    """The integers of a value: ``step · (integer - zero)``."""

    step: float
    zero: int

    @staticmethod
    def of(low: float, high: float) -> Grid:
        """The grid of a range with low ≤ 0 ≤ high; symmetric ranges have their zero at 0."""
        if low == -high:
            return Grid(max(high / HIGH, LEAST_STEP), 0)
        step = max((high - low) / (HIGH - LOW), LEAST_STEP)
        return Grid(step, min(max(round(LOW - low / step), LOW), HIGH))


def plan(graph: fx.GraphModule, outside: Collection[fx.Node] = ()) -> Plan:
    """What is int8 in `graph`. outside: layers that stay in float."""
    chosen = [node for node in nodes.layers(graph).values() if node not in outside]
    shared = _Groups()
    for node in chosen:
        given, end = [nodes.origin(each) for each in nodes.features_of(node)], nodes.end(node)
        for value in (*given, end):
            shared.add(value)
        if node.target in nodes.POOLS or node.target is nodes.CONCATENATION:
            shared.join((*given, end))
    for node in graph.graph.nodes:
        if node.target in nodes.MOVES and nodes.is_features(node):
            shared.follow(node, nodes.origin(node))
    return Plan(tuple(node.name for node in chosen), shared.named())


class _Groups:
    """Values that share one range: each points at another, the last one at itself."""

    def __init__(self) -> None:
        self._above: dict[fx.Node, fx.Node] = {}

    def add(self, value: fx.Node) -> None:
        self._above.setdefault(value, value)

    def join(self, values: Iterable[fx.Node]) -> None:
        first, *others = (self._top(value) for value in values)
        for other in others:
            self._above[self._top(other)] = self._top(first)

    def follow(self, value: fx.Node, origin: fx.Node) -> None:
        """What moves the values of an origin that is int8 gives int8."""
        if origin in self._above:
            self.add(value)
            self.join((origin, value))

    def named(self) -> dict[str, str]:
        return {value.name: self._top(value).name for value in self._above}

    def _top(self, value: fx.Node) -> fx.Node:
        while self._above[value] is not value:
            value = self._above[value]
        return value


def weights(graph: fx.GraphModule, plan: Plan, limit: int) -> Weights:
    """The int8 weights of the plan's layers: symmetric, a step for each output channel."""
    found = {}
    for layer in nodes.weighted(graph):
        if layer.name in plan.layers:
            weight = nodes.tensor(graph, layer.args[1]).detach()
            steps = (weight.flatten(1).abs().amax(1) / limit).clamp_min(LEAST_STEP)
            shape = (-1, *[1] * (weight.ndim - 1))
            integers = (weight / steps.view(shape)).round().clamp(-limit, limit)
            found[layer.name] = (integers.to(torch.int8), steps)
    return found


def quantized(
    graph: fx.GraphModule,
    plan: Plan,
    grids: Mapping[str, Grid],
    weights: Weights,
    all_read: bool = False,
) -> fx.GraphModule:
    """A copy with Q/DQ pairs and int8 weights. grids: of every value of the plan.

    all_read: whether layers in float read the integers too, as a net does that was trained so.
    """
    made = copy.deepcopy(graph)
    whole = {node.name: node for node in made.graph.nodes}
    ends = {nodes.end(whole[name]).name for name in plan.layers}
    for name, (integers, steps) in weights.items():
        _insert_weight(made, whole[name], integers, steps)
    for name, grid in grids.items():
        # A layer in float reads what another layer in float gives as it is.
        produced = all_read or name in ends or whole[name].target in nodes.MOVES
        readers = [
            user
            for user in whole[name].users
            if produced or user.name in plan.layers or user.name in plan.values
        ]
        _insert_pair(made, whole[name], grid, readers)
    return capture.cleaned(made)


def _insert_pair(
    graph: fx.GraphModule, value: fx.Node, grid: Grid, readers: Iterable[fx.Node]
) -> None:
    """Q behind a value, and a DQ for each of its readers: backends look for a DQ of their own."""
    about = (grid.step, grid.zero, LOW, HIGH, torch.int8)
    with graph.graph.inserting_after(value):
        rounded = graph.graph.call_function(ops.quantize_per_tensor.default, (value, *about))
    for reader in readers:
        with graph.graph.inserting_before(reader):
            restored = graph.graph.call_function(
                ops.dequantize_per_tensor.default, (rounded, *about)
            )
        restored.meta["val"] = value.meta.get("val")
        reader.replace_input_with(value, restored)


def _insert_weight(graph: fx.GraphModule, layer: fx.Node, integers: Tensor, steps: Tensor) -> None:
    """Let a layer read int8 weights. integers: int8[out, …]; steps: float32[out]."""
    name = nodes.module_of(layer)
    zeros = torch.zeros(len(steps), dtype=torch.int64)
    parts = [("int8", integers), ("steps", steps.float()), ("zeros", zeros)]
    given = [
        capture.constant(graph, layer, value, f"{name}.{layer.name}_weight_{part}")
        for part, value in parts
    ]
    about = (0, -WEIGHT_LIMIT, WEIGHT_LIMIT, torch.int8)
    with graph.graph.inserting_before(layer):
        restored = graph.graph.call_function(ops.dequantize_per_channel.default, (*given, *about))
    layer.update_arg(1, restored)
