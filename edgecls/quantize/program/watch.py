"""A captured graph on images: its logits, every value as it passes, and what ranges values have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from edgecls.core import Images, Logits
from edgecls.quantize.program import nodes
from edgecls.quantize.ranges import Seen
from edgecls.quantize.statistics import Collector

# Of all features of one batch.
_MOST_BYTES = 256 << 20
_MOST_IMAGES = 64


def batch_of(graph: fx.GraphModule) -> int:
    """How many images at a time keep all features within the memory that is set aside."""
    return max(1, min(_MOST_IMAGES, _MOST_BYTES // (4 * max(1, sum(sizes(graph))))))


def sizes(graph: fx.GraphModule) -> list[int]:
    """The elements of each feature of one image."""
    whole = [node.meta["val"] for node in graph.graph.nodes if nodes.is_features(node)]
    return [int(np.prod([int(length) for length in value.shape[1:]])) for value in whole]


def each(
    graph: fx.GraphModule, images: Images, step: int, see: Callable[[fx.Node, Any], Any]
) -> None:
    """Run the graph batch after batch; `see` gets every node's value and gives what goes on."""
    for start in range(0, len(images), step):
        batch = np.array(images[start : start + step])  # a split may lie in a read-only file
        with torch.no_grad():
            _Watched(graph, see).run(torch.from_numpy(batch))


class _Watched(fx.Interpreter):
    """Runs a graph and shows each value; those that no node needs any more are dropped."""

    def __init__(self, graph: fx.GraphModule, see: Callable[[fx.Node, Any], Any]) -> None:
        super().__init__(graph)
        self._see = see

    def run_node(self, n: fx.Node) -> Any:
        return self._see(n, super().run_node(n))


def logits(graph: fx.GraphModule, images: Images, step: int = _MOST_IMAGES) -> Logits:
    """The graph's answers, float32[N, K]."""
    parts: list[Any] = []
    last = nodes.output(graph)

    def see(node: fx.Node, value: Any) -> Any:
        if node is last:
            parts.append(value.numpy())
        return value

    each(graph, images, step, see)
    found: Logits = np.concatenate(parts)
    return found


def seen(graph: fx.GraphModule, values: Mapping[str, str], images: Images) -> dict[str, Seen]:
    """Group -> what was seen of its values. values: node -> group.

    Of a value that is only moved nothing new is seen.
    """
    collectors = {group: Collector(len(images)) for group in values.values()}

    def see(node: fx.Node, value: Any) -> Any:
        group = values.get(node.name)
        if group is not None and node.target not in nodes.MOVES:
            collectors[group].add(value.numpy())
        return value

    each(graph, images, batch_of(graph), see)
    return {group: collector.seen() for group, collector in collectors.items()}
