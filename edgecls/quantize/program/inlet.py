"""A captured graph that starts behind its normalisation, for runtimes that take no uint8 tensor.

ncnn takes a Mat of floats and Core ML an image: what is before the first layer is done there.
"""

from __future__ import annotations

import torch
from torch import fx

from edgecls.errors import ConversionError
from edgecls.quantize.program import capture

aten = torch.ops.aten
# What stands between the image and the net: see `edgecls.models.normalise.Deployable`.
_STEPS = (
    aten._to_copy.default,
    aten.permute.default,
    aten.sub.Tensor,
    aten.mul.Tensor,
)
INPUT = "pixels"


def normalised(graph: fx.GraphModule, input_shape: tuple[int, ...]) -> fx.GraphModule:
    """A copy of `graph` whose input is float32[N, C, H, W], normalised already.

    input_shape: (N, H, W, C), fixed from now on. Raises ConversionError.
    """
    made = capture.exported(graph, input_shape).module(check_guards=False)
    assert isinstance(made, fx.GraphModule)
    capture.drop_checks(made)
    (image,) = made.graph.find_nodes(op="placeholder")
    steps = _steps(image)
    with made.graph.inserting_before(image):
        given = made.graph.placeholder(INPUT)
    given.meta["val"] = steps[-1].meta["val"]
    steps[-1].replace_all_uses_with(given)
    for node in (*reversed(steps), image):
        made.graph.erase_node(node)
    # The exported module's own code checks the number and the kind of what it is given.
    made.graph.set_codegen(fx.graph.CodeGen())
    return capture.cleaned(made)


def _steps(image: fx.Node) -> list[fx.Node]:
    """The nodes from the image to its normalised form."""
    found: list[fx.Node] = []
    reached = image
    for kind in _STEPS:
        users = list(reached.users)
        if len(users) != 1 or users[0].target is not kind:
            raise ConversionError(
                "this net does not start with its normalisation", "use another target"
            )
        reached = users[0]
        found.append(reached)
    return found
