"""An exported program to ExecuTorch's file, its operators given to XNNPACK."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edgecls.errors import ConversionError
from edgecls.quantize.quiet import quiet

CONVOLUTIONS = ("convolution", "conv2d")
# What a program does besides computing.
CALLS = ("getitem", "executorch_call_delegate")


@dataclass(frozen=True)
class Shares:
    """Who computes what. delegated, portable: operator -> how many; delegates: of XNNPACK."""

    delegates: int
    delegated: dict[str, int]
    portable: dict[str, int]

    @property
    def share(self) -> float:
        """The delegated part of all operators."""
        inside, outside = sum(self.delegated.values()), sum(self.portable.values())
        return inside / max(1, inside + outside)

    def to_json(self) -> dict[str, Any]:
        return {
            "delegate": "XNNPACK",
            "delegates": self.delegates,
            "delegated_share": round(self.share, 4),
            "delegated_operators": self.delegated,
            "portable_operators": self.portable,
        }


def lowered(program: ExportedProgram) -> tuple[bytes, Shares]:
    """The ``.pte`` file's bytes, and who computes what.

    Raises ConversionError, where a convolution is left to the portable kernels too.
    """
    try:
        with quiet():
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
                XnnpackPartitioner,
            )
            from executorch.exir import to_edge_transform_and_lower

            edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            shares = _shares(edge.exported_program().graph_module)
            data = bytes(edge.to_executorch().buffer)
    except (RuntimeError, ValueError, TypeError, NotImplementedError, AssertionError) as error:
        why = str(error).strip().partition("\n")[0]
        raise ConversionError(
            f"ExecuTorch cannot lower this net: {type(error).__name__}: {why}",
            "choose another target, precision or net",
        ) from error
    left = sum(count for name, count in shares.portable.items() if name in CONVOLUTIONS)
    if left:
        raise ConversionError(
            f"XNNPACK does not take {left} of this net's convolutions: ExecuTorch's portable "
            "kernels would compute them, a hundred times slower",
            "choose another target or net",
        )
    return data, shares


def _shares(graph: fx.GraphModule) -> Shares:
    calls = [n for n in graph.graph.nodes if _kind(n) == "executorch_call_delegate"]
    inside: list[fx.Node] = []
    for call in calls:
        module = getattr(graph, str(call.args[0].target))
        inside += module.original_module.graph.nodes
    return Shares(len(calls), _counted(inside), _counted(graph.graph.nodes))


def _counted(nodes: Iterable[fx.Node]) -> dict[str, int]:
    kinds = Counter(_kind(node) for node in nodes if node.op == "call_function")
    return {kind: count for kind, count in sorted(kinds.items()) if kind not in CALLS}


def _kind(node: fx.Node) -> str:
    """``aten.convolution.default`` -> ``convolution``."""
    name = str(getattr(node.target, "__name__", node.target))
    return name.split(".")[-2] if "." in name else name
