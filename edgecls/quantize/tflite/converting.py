"""litert-torch on a float net or on an int8 graph of `edgecls.quantize.program`.

It runs in a process of its own (`worker`): it brings JAX, which warns of every fork from then on,
changes PyTorch's logging, and its compiler ends the process where it meets what it did not expect.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import fx, nn

from edgecls.core import Precision
from edgecls.errors import ConversionError
from edgecls.quantize.program import capture, nodes
from edgecls.quantize.tflite import model

ops = torch.ops.quantized_decomposed


def converted(net: nn.Module, input_shape: tuple[int, ...], precision: Precision) -> bytes:
    """The flatbuffer of a float net at that shape, (N, H, W, C), its weights in that precision.

    Raises ConversionError.
    """
    return model.finished(_run(net, input_shape, precision))


def quantized(graph: fx.GraphModule, input_shape: tuple[int, ...]) -> bytes:
    """The flatbuffer of an int8 graph: integers inside, uint8 in and float32 out."""
    return model.finished(_run(_weights_in_float(graph), input_shape, "int8"))


def _run(net: nn.Module, input_shape: tuple[int, ...], precision: Precision) -> bytes:
    program = capture.exported(net, input_shape)
    with tempfile.TemporaryDirectory(prefix="edgecls-") as scratch:
        given, made = Path(scratch) / "program.pt2", Path(scratch) / "model.tflite"
        torch.export.save(program, given)
        module = f"{__package__}.worker"
        # -P: the working folder is no place to import from.
        command = [sys.executable, "-P", "-m", module, str(given), str(made), precision]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode == 0:
            return made.read_bytes()
        error = made.with_suffix(".error")
        why = error.read_text(encoding="utf-8") if error.is_file() else _ending(done)
    raise ConversionError(
        f"litert-torch cannot convert this net: {why}", "choose another target, precision or net"
    )


def _ending(done: subprocess.CompletedProcess[bytes]) -> str:
    """How a converter ended that said nothing of its own."""
    how = f"exit status {done.returncode}"
    if done.returncode < 0:
        how = f"signal {signal.strsignal(-done.returncode) or -done.returncode}"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"it ended with {how}" + (f": {said[-1]}" if said else "")


def _weights_in_float(graph: fx.GraphModule) -> fx.GraphModule:
    """Weights as floats behind a Q of their own: the converter refuses tensors that are int8.

    The Q gives back the same integers, because each float is a whole number of steps.
    """
    for node in list(graph.graph.nodes):
        if node.target is not ops.dequantize_per_channel.default or node.args[0].op != "get_attr":
            continue
        integers, steps = (nodes.tensor(graph, each) for each in node.args[:2])
        values = integers.float() * steps.view(-1, *[1] * (integers.ndim - 1))
        weight = capture.constant(graph, node, values, f"{node.name}.float")
        with graph.graph.inserting_before(node):
            rounded = graph.graph.call_function(
                ops.quantize_per_channel.default, (weight, *node.args[1:])
            )
        node.update_arg(0, rounded)
    return capture.cleaned(graph)
