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
        if edit.get("version") != version:
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


def prune_edit(history: Sequence[Any], before: Mapping[str, int], after: Mapping[str, int]) -> Edit:
    """The edit of a structured pruning.

    history: torch-pruning's ``pruning_history()``. before, after: layer -> output channels.
    """
    changed = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
    return {"kind": "prune", "version": 1, "history": list(history), "channels": changed}


def _replay_prune(net: nn.Module, edit: Edit, input_shape: tuple[int, int, int]) -> nn.Module:
    import torch
    import torch_pruning

    with torch.enable_grad():  # dependencies are traced by autograd
        graph = torch_pruning.DependencyGraph().build_dependency(
            net.eval(), example_inputs=torch.zeros(1, *input_shape)
        )
        graph.load_pruning_history([tuple(step) for step in edit["history"]])
    return net


KINDS: dict[str, tuple[int, Callable[[Any, Edit, tuple[int, int, int]], Any]]] = {
    "prune": (1, _replay_prune)
}
