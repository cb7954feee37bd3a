"""The edit ``fake-quantize``: a net is prepared for int8, as its checkpoint says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecls.errors import EdgeclsError
from edgecls.models.quantized import trace

if TYPE_CHECKING:
    from torch import nn

    from edgecls.models.edits import Edit

VERSION = 1


def edit_of(net: nn.Module, reduce_range: bool) -> Edit:
    """The edit that made `net`. points: the names of its quantized layers and of its roundings."""
    return {
        "kind": "fake-quantize",
        "version": VERSION,
        "activations": "int8, symmetric, per tensor",
        "weights": "int8, symmetric, per channel",
        "reduce_range": reduce_range,
        "points": trace.points(net),
    }


def replay(net: nn.Module, edit: Edit, input_shape: tuple[int, int, int]) -> Any:
    """`net`, prepared; its steps come with the weights. Raises EdgeclsError for other points."""
    prepared = trace.prepared(net, input_shape, bool(edit["reduce_range"]))
    found, told = trace.points(prepared), list(edit["points"])
    if found != told:
        other = sorted(set(found) ^ set(told))
        raise EdgeclsError(
            f"this net would be quantized at other places than its checkpoint says: {other[:4]}",
            "install the versions of edgecls and torch that made the checkpoint",
        )
    return prepared
