"""A graph run in ONNX Runtime in this process: its logits, and any tensor inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecls.core import Images, Logits
from edgecls.errors import ConversionError
from edgecls.graph import INPUT, OUTPUT, errors

if TYPE_CHECKING:
    import onnx

Arrays = dict[str, NDArray[Any]]
BATCH = 64
# Of all tensors that are asked for, in one batch.
_MOST_BYTES = 256 << 20


def session(model: onnx.ModelProto, exact: bool = False) -> Any:
    """A session on the CPU. exact: without any rewriting of the graph. Raises ConversionError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except errors() as error:
        raise ConversionError(
            f"ONNX Runtime cannot run this graph: {error}", "report this net"
        ) from error


def logits(model: onnx.ModelProto, images: Images, exact: bool = False) -> Logits:
    """A graph's logits, its batch dynamic or fixed. exact: see `session`; Q/DQ are then float."""
    opened = session(model, exact)
    fixed = opened.get_inputs()[0].shape[0]
    step = fixed if isinstance(fixed, int) else BATCH
    parts = []
    for start in range(0, len(images), step):
        given = np.asarray(images[start : start + step])
        lacking = step - len(given) if isinstance(fixed, int) else 0
        padded = np.concatenate([given, np.repeat(given[-1:], lacking, 0)]) if lacking else given
        parts.append(opened.run([OUTPUT], {INPUT: padded})[0][: len(given)])
    found: Logits = np.concatenate(parts).astype(np.float32)
    return found


def tensors(
    model: onnx.ModelProto, names: Sequence[str], images: Images, exact: bool = False
) -> Iterator[Arrays]:
    """Those tensors of the graph, batch after batch. exact: see `session`."""
    opened = session(with_outputs(model, names), exact)
    step = batch_for(model, names)
    for start in range(0, len(images), step):
        given = {INPUT: np.asarray(images[start : start + step])}
        yield dict(zip(names, opened.run(list(names), given), strict=True))


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of a graph whose outputs are those tensors."""
    import onnx

    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return opened


def batch_for(model: onnx.ModelProto, names: Sequence[str]) -> int:
    """How many images at a time keep those tensors within the memory that is set aside."""
    known = sizes(model)
    needed = 4 * sum(known.get(name, 0) for name in names)
    return max(1, min(BATCH, _MOST_BYTES // max(1, needed)))


def sizes(model: onnx.ModelProto) -> Mapping[str, int]:
    """Tensor -> its elements for one image, where the graph says it."""
    import onnx

    if not model.graph.value_info:
        model = onnx.shape_inference.infer_shapes(model)
    found = {}
    for value in model.graph.value_info:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]]
        found[value.name] = int(np.prod([max(1, dim) for dim in dims]))
    return found
