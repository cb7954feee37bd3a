"""What was done to a net's structure since `zoo.build`, as plain JSON that can be replayed.

A checkpoint is its architecture, the ordered list of its edits and its tensors: no pickle. Each
edit has a ``kind`` and a ``version``; `KINDS` maps a kind to the function that replays it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgecls.errors import EdgeclsError, unknown_name

if TYPE_CHECKING:
    from torch import nn

Edit = Mapping[str, Any]


def replay(net: nn.Module, edits: Sequence[Edit], input_shape: tuple[int, int, int]) -> nn.Module:
    """`net` after all `edits`, in order. input_shape: (C, H, W). Raises EdgeclsError."""
    for edit in edits:
        kind = str(edit.get("kind"))
        if kind not in KINDS:
            raise unknown_name("edit", kind, KINDS)
        version, apply = KINDS[kind]
        older = OLDER.get((kind, edit.get("version")))
        if older is not None:
            apply = older
        elif edit.get("version") != version:
            raise EdgeclsError(
                f"edit {kind!r} of version {edit.get('version')!r}, this edgecls replays {version}",
                "install the version of edgecls that made the checkpoint",
            )
        try:
            net = apply(net, edit, input_shape)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise EdgeclsError(
                f"edit {kind!r} cannot be done again on this net: {error!r}",
                "copy the checkpoint again, or train it again",
            ) from error
    return net


def cut_edit(
    layers: Mapping[str, Any],
    channels: Mapping[str, Sequence[int]] | None = None,
    told: Mapping[str, Any] | None = None,
) -> Edit:
    """The edit of a structured pruning. layers: `cuts.changed` of the whole net and the cut one.

    channels: layer -> output channels before and after. told: how the cut was found.
    """
    edit = {"kind": "prune", "version": 2, "layers": dict(layers), "channels": dict(channels or {})}
    return {**edit, **(told or {})}


def _replay_cut(net: nn.Module, edit: Edit, input_shape: tuple[int, int, int]) -> nn.Module:
    from edgecls.models import cuts

    cuts.replay(net, edit["layers"])
    return net


def _replay_history(net: nn.Module, edit: Edit, input_shape: tuple[int, int, int]) -> nn.Module:
    """Version 1: torch-pruning's own history of the cut, done again."""
    import torch
    import torch_pruning

    with torch.enable_grad():  # dependencies are traced by autograd
        graph = torch_pruning.DependencyGraph().build_dependency(
            net.eval(), example_inputs=torch.zeros(1, *input_shape)
        )
        graph.load_pruning_history([tuple(step) for step in edit["history"]])
    return net


def _replay_fake_quantize(net: nn.Module, edit: Edit, input_shape: tuple[int, int, int]) -> Any:
    from edgecls.models.quantized import edit as quantized

    return quantized.replay(net, edit, input_shape)


def _replay_nothing(net: nn.Module, edit: Edit, input_shape: tuple[int, int, int]) -> Any:
    """Zeros among the weights leave the structure as it is."""
    return net


KINDS: dict[str, tuple[int, Callable[[Any, Edit, tuple[int, int, int]], Any]]] = {
    "prune": (2, _replay_cut),
    "sparsify": (1, _replay_nothing),
    "fake-quantize": (1, _replay_fake_quantize),
}
# (kind, version) of older checkpoints that are replayed still.
OLDER: dict[tuple[str, Any], Callable[[Any, Edit, tuple[int, int, int]], Any]] = {
    ("prune", 1): _replay_history
}
