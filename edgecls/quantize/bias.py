"""Bias correction (Nagel et al. 2019, section 4.2): the mean error of every channel taken out.

Quantization shifts the mean of a layer's outputs. The shift is measured on the calibration images
and taken from the layer's bias: ``fast`` gives every layer what the float net gives it, all at
once; ``full`` goes layer after layer, each given what the quantized and corrected ones before it
give, so that errors that add up are seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecls.core import Images
from edgecls.graph import INPUT
from edgecls.quantize import running

if TYPE_CHECKING:
    import onnx

LAYERS = ("Conv", "Gemm")
Shift = NDArray[np.float64]
_MEAN, _TWIN = "::mean", "twin::"
# Of all tensors that `full` holds at a time.
_MOST_BYTES = 512 << 20


def with_own_biases(model: onnx.ModelProto) -> None:
    """Give every convolution and product a bias that no other one reads, in place."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    taken: set[str] = set()
    for node in _layers(model):
        given = node.input[2] if len(node.input) > 2 else ""
        if given and given not in constants:
            continue  # computed: not ours to change
        if not given or given in taken:
            channels = _channels(node, constants)
            value = numpy_helper.to_array(constants[given]) if given else np.zeros(channels)
            name = f"{node.name}.bias"
            tensor = numpy_helper.from_array(value.astype(np.float32), name)
            model.graph.initializer.append(tensor)
            del node.input[2:]
            node.input.append(name)
        taken.add(node.input[2])


def correct(model: onnx.ModelProto, shifts: Mapping[str, Shift]) -> None:
    """Add to the layers' biases what they lack, in place. shifts: node -> float64[channels]."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in _layers(model):
        if node.name in shifts and len(node.input) > 2 and node.input[2] in constants:
            bias = numpy_helper.to_array(constants[node.input[2]])
            new = (bias + shifts[node.name]).astype(np.float32)
            constants[node.input[2]].CopyFrom(numpy_helper.from_array(new, node.input[2]))


def fast(float_: onnx.ModelProto, quantized: onnx.ModelProto, images: Images) -> dict[str, Shift]:
    """What the mean of each quantized layer lacks, given what the float net gives it.

    Both graphs stand side by side: each layer is there once more, quantized, reading the tensors
    of the float net.
    """
    import onnx

    twin = onnx.ModelProto()
    twin.CopyFrom(float_)
    own = {tensor.name for tensor in float_.graph.initializer}
    twin.graph.initializer.extend(t for t in quantized.graph.initializer if t.name not in own)
    layers = _quantized_layers(quantized)
    known = {name for node in float_.graph.node for name in node.output} | {INPUT}
    inside = set(_made(quantized)) - known
    copied: set[str] = set()
    for node in layers:
        for each in _since(node, quantized, known):
            if each.output[0] not in copied:
                copied.add(each.output[0])
                twin.graph.node.append(_renamed(each, inside))
    means = [_shift(node, twin) for node in layers]
    return dict(zip((node.name for node in layers), _averaged(twin, means, images), strict=True))


def full(float_: onnx.ModelProto, quantized: onnx.ModelProto, images: Images) -> dict[str, Shift]:
    """What the mean of each quantized layer lacks, given what those before it give, corrected."""
    layers = {node.name: node for node in _quantized_layers(quantized)}
    sizes = running.sizes(float_)
    count = max(8, _MOST_BYTES // (16 * max(sizes.values(), default=1)))
    images = np.asarray(images[:count])
    wanted = _means(float_, list(layers), images)
    shifts: dict[str, Shift] = {}
    alive: running.Arrays = {INPUT: images}
    for part, needed in _parts(quantized, set(layers)):
        alive = _run(quantized, part, needed, alive)
        last = part[-1]
        if last.name in layers:
            found = alive[last.output[0]]
            shift = wanted[last.name] - _mean(found)
            shifts[last.name] = shift
            shape = (-1, *[1] * (found.ndim - 2))
            alive[last.output[0]] = found + shift.reshape(shape).astype(found.dtype)
    return shifts


def _layers(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type in LAYERS]


def _channels(node: onnx.NodeProto, constants: Mapping[str, Any]) -> int:
    dims = constants[node.input[1]].dims
    across = any(each.name == "transB" and each.i for each in node.attribute)
    return int(dims[0] if node.op_type == "Conv" or across else dims[1])


def _made(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def _quantized_layers(quantized: onnx.ModelProto) -> list[onnx.NodeProto]:
    made = _made(quantized)
    return [
        node
        for node in _layers(quantized)
        if node.input[1] in made and made[node.input[1]].op_type == "DequantizeLinear"
    ]


def _since(
    node: onnx.NodeProto, model: onnx.ModelProto, known: set[str]
) -> Iterator[onnx.NodeProto]:
    """The nodes that make a layer's output out of tensors that the float net has too."""
    made = _made(model)

    def before(name: str) -> Iterator[onnx.NodeProto]:
        if name in made and name not in known:
            yield from (each for given in made[name].input for each in before(given))
            yield made[name]

    for name in node.input:
        yield from before(name)
    yield node


def _renamed(node: onnx.NodeProto, inside: set[str]) -> onnx.NodeProto:
    """A copy that stands beside the original. inside: tensors that are copied as well."""
    import onnx

    made = onnx.NodeProto()
    made.CopyFrom(node)
    made.name = _TWIN + node.name
    made.output[0] = _TWIN + node.output[0]
    made.input[:] = [_TWIN + name if name in inside else name for name in node.input]
    return made


def _shift(node: Any, twin: Any) -> str:
    """Add the mean over images and places of a layer's float output less its quantized one."""
    import onnx

    own = next(each for each in twin.graph.node if each.name == node.name).output[0]
    other = next(each for each in twin.graph.node if each.name == _TWIN + node.name).output[0]
    name: str = _TWIN + node.name + _MEAN
    twin.graph.node.append(onnx.helper.make_node("Sub", [own, other], [name + "::all"]))
    _add_mean(twin, name + "::all", name, node.op_type)
    return name


def _add_mean(model: onnx.ModelProto, tensor: str, name: str, kind: str) -> None:
    import onnx

    axes = [0, 2, 3] if kind == "Conv" else [0]
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array(axes, np.int64), name + "::axes")
    )
    model.graph.node.append(
        onnx.helper.make_node("ReduceMean", [tensor, name + "::axes"], [name], keepdims=0)
    )


def _means(float_: onnx.ModelProto, layers: list[str], images: Images) -> dict[str, Shift]:
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(float_)
    nodes = {node.name: node for node in float_.graph.node}
    for name in layers:
        _add_mean(model, nodes[name].output[0], name + _MEAN, nodes[name].op_type)
    found = _averaged(model, [name + _MEAN for name in layers], images)
    return dict(zip(layers, found, strict=True))


def _averaged(model: onnx.ModelProto, names: list[str], images: Images) -> list[Shift]:
    """Vectors that a graph gives for each batch, averaged over the images."""
    if not names:
        return []
    opened = running.session(running.with_outputs(model, names))
    sums: list[Shift] = [np.zeros(0)] * len(names)
    for start in range(0, len(images), running.BATCH):
        batch = np.asarray(images[start : start + running.BATCH])
        found = opened.run(names, {INPUT: batch})
        sums = [
            (old if old.size else 0.0) + new.astype(np.float64) * len(batch)
            for old, new in zip(sums, found, strict=True)
        ]
    return [each / len(images) for each in sums]


def _mean(array: NDArray[Any]) -> Shift:
    mean: Shift = array.mean(axis=(0, *range(2, array.ndim)), dtype=np.float64)
    return mean


def _parts(
    model: onnx.ModelProto, layers: set[str]
) -> Iterator[tuple[list[onnx.NodeProto], set[str]]]:
    """The graph's nodes cut behind every layer, each part with the tensors needed after it."""
    nodes = list(model.graph.node)
    ends = [i for i, node in enumerate(nodes) if node.name in layers]
    start = 0
    for end in ends:
        after = {name for node in nodes[end + 1 :] for name in node.input}
        yield nodes[start : end + 1], after
        start = end + 1


def _run(
    model: onnx.ModelProto, part: list[onnx.NodeProto], needed: set[str], alive: running.Arrays
) -> running.Arrays:
    """The tensors that are needed after a part, from those that were alive before it."""
    import onnx

    read = {name for node in part for name in node.input}
    constants = [each for each in model.graph.initializer if each.name in read]
    given = [name for name in alive if name in read]
    last = part[-1].output[0]
    made = [name for node in part for name in node.output if name]
    wanted = [name for name in made if name in needed or name == last]
    graph = onnx.GraphProto(name="part", node=part, initializer=constants)
    for name in given:
        kind = onnx.helper.np_dtype_to_tensor_dtype(alive[name].dtype)
        graph.input.append(onnx.helper.make_tensor_value_info(name, kind, alive[name].shape))
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    single = onnx.ModelProto(
        ir_version=model.ir_version, graph=graph, opset_import=model.opset_import
    )
    found = running.session(single, exact=True).run(wanted, {n: alive[n] for n in given})
    kept = {name: array for name, array in alive.items() if name in needed or name == INPUT}
    return {**kept, **dict(zip(wanted, found, strict=True))}
