"""pnnx on a captured graph in float: float32[1, C, H, W], normalised already, to logits.

pnnx reads TorchScript and is a program of its own, which writes beside what it reads.
"""

from __future__ import annotations

import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import fx

from edgecls.errors import ConversionError
from edgecls.quantize.ncnn import param
from edgecls.quantize.program import inlet

LIMIT_S = 900.0
aten = torch.ops.aten


@dataclass(frozen=True)
class Net:
    """ncnn's two files. weights: the ``.bin``, in the order of the layers."""

    layers: tuple[param.Layer, ...]
    weights: bytes


def converted(graph: fx.GraphModule, input_shape: tuple[int, ...], half: bool = False) -> Net:
    """ncnn's form of a captured graph in float. Raises ConversionError.

    input_shape: (1, H, W, C). half: whether weights are stored in float16.
    """
    _, height, width, channels = input_shape
    shape = (1, channels, height, width)
    net = _with_pools(inlet.normalised(graph, input_shape))
    with tempfile.TemporaryDirectory(prefix="edgecls-") as scratch:
        folder = Path(scratch)
        _trace(net, shape, folder / "model.pt")
        sizes = ",".join(map(str, shape))
        _run(folder, "model.pt", f"inputshape=[{sizes}]f32", f"fp16={int(half)}")
        try:
            text = (folder / "model.ncnn.param").read_text(encoding="utf-8")
            weights = (folder / "model.ncnn.bin").read_bytes()
        except FileNotFoundError as error:
            raise ConversionError(
                "pnnx ended without a model of ncnn", "choose another target or net"
            ) from error
    layers = param.read(text)
    _check(layers)
    return Net(layers, weights)


def _with_pools(graph: fx.GraphModule) -> fx.GraphModule:
    """The mean of whole maps as a pool again: ncnn's mean takes no packed channels."""
    for node in graph.graph.find_nodes(op="call_function", target=aten.mean.dim):
        axes, keeps = node.args[1], len(node.args) > 2 and node.args[2]
        if list(axes) in ([2, 3], [-1, -2], [-2, -1]) and keeps:
            node.target, node.args = aten.adaptive_avg_pool2d.default, (node.args[0], [1, 1])
    graph.recompile()
    return graph


def _trace(net: fx.GraphModule, shape: tuple[int, ...], path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch wants nobody to trace; pnnx reads nothing else
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            net, torch.zeros(*shape), check_trace=False
        )
        torch.jit.save(traced, str(path))


def _run(folder: Path, *arguments: str) -> None:
    """pnnx in `folder`. Raises ConversionError."""
    try:
        done = subprocess.run(
            [_program(), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(
            f"pnnx took more than {LIMIT_S:.0f} s", "choose another target, or a smaller net"
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConversionError(
            f"pnnx cannot convert this net: exit status {done.returncode}"
            + (f": {said[-1]}" if said else ""),
            "choose another target or net",
        )


def _program() -> str:
    """The executable in pnnx's package, which is not imported for it."""
    found = find_spec("pnnx")
    for folder in (found.submodule_search_locations if found else None) or ():
        for name in ("pnnx", "pnnx.exe"):
            if (Path(folder) / name).is_file():
                return str(Path(folder) / name)
    raise ConversionError("this pnnx has no program", "pip install --force-reinstall pnnx")


def _check(layers: tuple[param.Layer, ...]) -> None:
    """Raise ConversionError where pnnx left what ncnn has not: it gives it another kind of name."""
    foreign = sorted({each.kind for each in layers if "." in each.kind or "::" in each.kind})
    if foreign:
        raise ConversionError(
            f"ncnn has no operator for {', '.join(foreign)}", "choose another target or net"
        )
    made = {name for each in layers for name in each.outputs}
    inputs = [name for each in layers if each.kind == "Input" for name in each.outputs]
    if inputs != [param.INPUT] or param.OUTPUT not in made:
        raise ConversionError(
            f"pnnx named the input and the output otherwise: {', '.join(inputs)}",
            "install a pnnx of the tested range: pip install 'edgecls[ncnn]'",
        )
