"""Cross-layer equalisation of a captured graph, by the rule of `edgecls.quantize.equalise`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from edgecls.core import Images
from edgecls.quantize.equalise import CHECKED, Pair, balance, check
from edgecls.quantize.program import capture, nodes, watch

aten = torch.ops.aten


def equalise(graph: fx.GraphModule, calibration: Images, step: int) -> int:
    """Scale the pairs of `graph` in place, which answers as before; returns how many there are.

    step: how many images go at a time. Raises ConversionError where the answers change.
    """
    images = calibration[:CHECKED]
    before = watch.logits(graph, images, step)
    found = pairs(graph)
    weights = _Weights(graph)
    limited = [pair.between for pair in found if pair.limit is not None]
    balance(found, weights, _channel_maxima(graph, limited, calibration, step))
    weights.store()
    check(watch.logits(graph, images, step), before)
    return len(found)


def pairs(graph: fx.GraphModule) -> list[Pair]:
    """In the graph's order: conv → (ReLU or ReLU6) → conv, each read by the next alone."""
    found = []
    for first in graph.graph.nodes:
        if not _scalable(first) or len(first.users) != 1:
            continue
        clamp = nodes.end(first)
        limit = _limit(clamp) if clamp is not first else None
        if clamp is not first and limit is None and clamp.target is not aten.relu.default:
            continue
        second = next(iter(clamp.users))
        if len(clamp.users) == 1 and _scalable(second) and _dense_or_depthwise(second):
            found.append(Pair(first.name, second.name, first.name, limit))
    return found


def _scalable(node: fx.Node) -> bool:
    """A convolution whose weight and bias are constants of its own."""
    own = [each for each in node.args[1:3] if isinstance(each, fx.Node)]
    return (
        nodes.is_weighted(node)
        and node.target in nodes.CONVOLUTIONS
        and all(each.op == "get_attr" and len(each.users) == 1 for each in own)
    )


def _limit(clamp: fx.Node) -> float | None:
    """The upper limit of a clamp from zero on; None of a ReLU or of another one."""
    if clamp.target is aten.relu6.default:
        return 6.0
    if clamp.target is aten.hardtanh.default and len(clamp.args) > 2 and clamp.args[1] == 0:
        high = clamp.args[2]
        return float(high) if isinstance(high, (int, float)) else None
    return None


def _groups(node: fx.Node) -> int:
    return node.args[6] if len(node.args) > 6 else 1  # type: ignore[return-value]


def _dense_or_depthwise(node: fx.Node) -> bool:
    weight = node.args[1]
    assert isinstance(weight, fx.Node)
    return _groups(node) == 1 or _shape(node)[1] == 1


def _shape(node: fx.Node) -> Any:
    weight = node.args[1]
    assert isinstance(weight, fx.Node)
    return nodes.tensor(node.graph.owning_module, weight).shape  # type: ignore[arg-type]


class _Weights:
    """The weights and biases of the convolutions, in float64 while they are scaled."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self._graph = graph
        self._nodes = {node.name: node for node in nodes.weighted(graph)}
        self._arrays: dict[fx.Node, NDArray[np.float64]] = {}

    def _get(self, node: Any) -> NDArray[np.float64]:
        if node not in self._arrays:
            array = nodes.tensor(self._graph, node).detach().numpy()
            self._arrays[node] = array.astype(np.float64)
        return self._arrays[node]

    def outputs(self, node: str) -> NDArray[np.float64]:
        weight = self._get(self._nodes[node].args[1])
        top: NDArray[np.float64] = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        return top

    def inputs(self, node: str) -> NDArray[np.float64]:
        weight = self._get(self._nodes[node].args[1])
        groups = _groups(self._nodes[node])
        if groups > 1:  # depthwise: every input channel has outputs of its own
            own: NDArray[np.float64] = self.outputs(node).reshape(groups, -1).max(axis=1)
            return own
        top: NDArray[np.float64] = np.abs(weight).max(axis=(0, *range(2, weight.ndim)))
        return top

    def scale(self, pair: Pair, factors: NDArray[np.float64]) -> None:
        first, second = self._nodes[pair.first], self._nodes[pair.second]
        weight = self._get(first.args[1])
        weight /= factors.reshape(-1, *[1] * (weight.ndim - 1))
        if len(first.args) > 2 and first.args[2] is not None:
            self._get(first.args[2])[:] /= factors
        weight = self._get(second.args[1])
        if _groups(second) > 1:
            each = np.repeat(factors, len(weight) // len(factors))
            weight *= each.reshape(-1, *[1] * (weight.ndim - 1))
        else:
            weight *= factors.reshape(1, -1, *[1] * (weight.ndim - 2))

    def store(self) -> None:
        """Give the graph new tensors: the net that it was captured from keeps its own."""
        for node in self._nodes.values():
            for place, put in ((1, capture.set_weight), (2, capture.set_bias)):
                given = node.args[place] if len(node.args) > place else None
                if isinstance(given, fx.Node) and given in self._arrays:
                    value = torch.from_numpy(self._arrays[given].astype(np.float32))
                    kind = "weight" if place == 1 else "bias"
                    put(
                        self._graph, node, value, f"{nodes.module_of(node)}.{node.name}_even_{kind}"
                    )
        capture.cleaned(self._graph)


def _channel_maxima(
    graph: fx.GraphModule, names: list[str], images: Images, step: int
) -> dict[str, NDArray[np.float32]]:
    """The largest absolute value of each channel of features that are [N, C, …]."""
    found: dict[str, NDArray[np.float32]] = {}

    def see(node: fx.Node, value: Any) -> Any:
        if node.name in names:
            top = value.abs().amax((0, *range(2, value.ndim))).numpy()
            found[node.name] = np.maximum(found[node.name], top) if node.name in found else top
        return value

    if names:
        watch.each(graph, images, step, see)
    return found
