"""NNCF's own int8 graph in OpenVINO, with layers put back into float, for a diagnosis.

It quantizes what a graph in ONNX Runtime does not stand for, above all the inputs of depthwise
convolutions, channel by channel. A layer goes back into float by reading what its quantizers read:
the ranges of all others stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecls.core import Images, Logits, Remedies, Scheme
from edgecls.quantize import nncf_ptq
from edgecls.quantize.running import BATCH

_QUANTIZER, _WEIGHTS = "FakeQuantize", "/fq_weights_"
# What only moves values: the quantizer before it is the matter of the layer behind it.
_THROUGH = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Transpose", "MaxPool"})


class NncfVariants:
    """A `core.Variants`, without bias correction, which would be another one for each of them."""

    told = "NNCF's own graph, in OpenVINO on this host's CPU"

    def __init__(
        self, graph: Path, scheme: Scheme, calibration: Images, remedies: Remedies
    ) -> None:
        given = replace(remedies, bias_correction="none", smooth_quant=None)
        self._weights = _constants(nncf_ptq.floating(graph, calibration, given))
        self._int8 = nncf_ptq.quantized(graph, scheme, calibration, given)
        self._quantized = {
            each.get_friendly_name()
            for each in self._int8.get_ordered_ops()
            if each.get_type_name() not in _THROUGH and any(map(_quantized, each.inputs()))
        }

    def quantizes(self, node: str) -> bool:
        return not self._quantized.isdisjoint(nncf_ptq.operations(node))

    def without(self, nodes: Sequence[str], images: Images) -> Logits:
        floats = {name for node in nodes for name in nncf_ptq.operations(node)}
        return self._answers(lambda name: name in floats, images)

    def alone(self, node: str, images: Images) -> Logits:
        kept = nncf_ptq.operations(node)
        return self._answers(lambda name: name not in kept, images)

    def _answers(self, is_float: Callable[[str], bool], images: Images) -> Logits:
        import openvino

        model = self._int8.clone()
        for each in model.get_ordered_ops():
            if each.get_friendly_name() in self._quantized and is_float(each.get_friendly_name()):
                self._free(each)
        # The plugin's own choice may be bf16, which is not what is asked about.
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        parts = [
            compiled(np.asarray(images[start : start + BATCH]))[0].copy()
            for start in range(0, len(images), BATCH)
        ]
        found: Logits = np.concatenate(parts)
        return found

    def _free(self, operation: Any) -> None:
        """Let an operation read what its quantizers read."""
        from openvino import opset13

        for port in operation.inputs():
            reading = _quantized(port)
            if reading is None:
                continue
            source = reading.get_source_output().get_node()
            if source.get_type_name() == _QUANTIZER and not _is_constant(source):
                reading.replace_source_output(source.input(0).get_source_output())
            else:
                weights = self._weights[operation.get_friendly_name(), port.get_index()]
                port.replace_source_output(opset13.constant(weights).output(0))


def _quantized(port: Any) -> Any:
    """The input that reads the quantizer of what `port` is given; None where there is none."""
    while True:
        source = port.get_source_output().get_node()
        if source.get_type_name() == _QUANTIZER or _WEIGHTS in source.get_friendly_name():
            return port
        if source.get_type_name() not in _THROUGH:
            return None
        port = source.input(0)


def _is_constant(quantizer: Any) -> bool:
    source = quantizer.input(0).get_source_output().get_node()
    return bool(source.get_type_name() == "Constant")


def _constants(model: Any) -> dict[tuple[str, int], Any]:
    """(operation, input) -> the array that it reads there, of all constant inputs."""
    from openvino import passes

    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())
    folding.run_passes(model)
    return {
        (each.get_friendly_name(), port.get_index()): source.get_data()
        for each in model.get_ordered_ops()
        for port in each.inputs()
        if (source := port.get_source_output().get_node()).get_type_name() == "Constant"
    }
