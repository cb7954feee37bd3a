"""A checkpoint's canonical graph, exported once and checked, and the helpers to change a graph.

``image`` uint8[N, H, W, C] in, ``logits`` float32[N, K] out, normalisation inside, opset 18, IR 9
(runtimes in the field refuse newer ones), one file. Free of anything that would make two exports
of one checkpoint differ.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecls import qdq
from edgecls.core import Batch, Images, Logits, Scheme
from edgecls.device.golden import max_relative_difference
from edgecls.device.preprocess import Preprocess
from edgecls.errors import ConversionError
from edgecls.models import checkpoint as checkpoints

if TYPE_CHECKING:
    import onnx
    from torch import nn

OPSET, IR_VERSION = 18, 9
INPUT, OUTPUT = "image", "logits"
# fp32 in another order of summation; relative to the logits' standard deviation.
FP32_TOLERANCE = 1e-3
# Of a net that was trained for int8: a value that lies between two integers is rounded to either.
TRAINED_TOLERANCE = 0.75


class CheckpointSource:
    """The `Source` of a checkpoint; `graph` is where its canonical graph is, or will be."""

    def __init__(self, folder: Path, graph: Path) -> None:
        self._checkpoint = checkpoints.load(folder)
        self._graph = graph

    @property
    def checkpoint(self) -> Path:
        return self._checkpoint.folder

    @property
    def preprocess(self) -> Preprocess:
        return self._checkpoint.preprocess

    @property
    def num_classes(self) -> int:
        return len(self._checkpoint.labels)

    @cached_property
    def _net(self) -> Any:
        from edgecls.models.normalise import Deployable

        return Deployable(checkpoints.module(self._checkpoint), self.preprocess).eval()

    def onnx(self) -> Path:
        self._refuse_trained()
        return self.exported()

    def module(self) -> nn.Module:
        """See `Source`."""
        self._refuse_trained()
        net: nn.Module = self._net
        return net

    def quantized_module(self, scheme: Scheme) -> nn.Module | None:
        """See `Source`. Raises ConversionError where the weights were not trained for `scheme`."""
        if not self._checkpoint.is_quantized:
            return None
        self._refuse(scheme)
        from edgecls.models.quantized import integers

        return integers.with_integers(self._net)

    def _refuse_trained(self) -> None:
        if self._checkpoint.is_quantized:
            raise ConversionError(
                f"{self.checkpoint} was trained for int8, it has no graph in float",
                "export int8, or export the model that it was trained from",
            )

    def exported(self) -> Path:
        """The graph as it is: of a net that was trained for int8 the QDQ graph, else `onnx`."""
        if not self._graph.exists():
            if self._checkpoint.is_quantized:
                from edgecls.models.quantized import integers

                net = integers.with_integers(self._net)
                export(net, self.preprocess, self._graph, integers.translations())
                _check(self._graph, self, TRAINED_TOLERANCE)
            else:
                export(self._net, self.preprocess, self._graph)
                _check(self._graph, self, FP32_TOLERANCE)
        return self._graph

    def quantized(self, scheme: Scheme) -> Path | None:
        """See `Source`; int8 activations with zero point 0, or uint8 with 128.

        Raises ConversionError where the weights were not trained for `scheme`.
        """
        if not self._checkpoint.is_quantized:
            return None
        self._refuse(scheme)
        if scheme.activation == "int8":
            return self.exported()
        path = self._scratch / f"{scheme.name}.onnx"
        if not path.exists():
            import onnx

            model = onnx.load(self.exported())
            qdq.to_uint8(model)
            onnx.save(model, path)
        return path

    def _refuse(self, scheme: Scheme) -> None:
        if not scheme.per_channel:
            raise ConversionError(
                "the net was trained for weights per channel, the target takes them per tensor",
                "export int8 from the model that it was trained from",
            )
        if scheme.reduce_range and not self._checkpoint.is_reduced:
            raise ConversionError(
                "the net was trained for weights in 8 bits, which saturate on the machine that is "
                "asked for: it has no VNNI",
                "train it again with reduce_range = yes",
            )

    @cached_property
    def _scratch(self) -> Path:
        """A folder that goes with the source."""
        path = Path(tempfile.mkdtemp(prefix="edgecls-"))
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return path

    def logits(self, images: Images) -> Logits:
        import numpy as np
        import torch

        net = self._net
        with torch.inference_mode():
            parts = [
                net(torch.from_numpy(np.array(images[i : i + 256]))).float().numpy()
                for i in range(0, len(images), 256)
            ]
        logits: Logits = np.concatenate(parts)
        return logits


def export(
    net: Any, preprocess: Preprocess, path: Path, translations: Mapping[Any, Any] | None = None
) -> None:
    """Write the canonical ONNX of a `Deployable` net. Raises ConversionError.

    translations: of operators that are not PyTorch's own.
    """
    import onnx
    import torch

    # Two images: torch.export takes a dimension of size 1 for a constant.
    example = torch.zeros(2, *preprocess.input_shape[1:], dtype=torch.uint8)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # deprecations inside torch and onnxscript
            program = torch.export.export(
                net, (example,), dynamic_shapes={"image": {0: torch.export.Dim("batch")}}
            )
            exported = torch.onnx.export(
                program,
                (),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
                custom_translation_table=dict(translations or {}),
            )
        assert exported is not None
        model = exported.model_proto
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConversionError(
            f"PyTorch cannot export this net to ONNX: {error}", "use another net"
        ) from error
    normal_form(model)
    beside = path.with_suffix(".part")
    onnx.save(model, beside)
    beside.replace(path)


def normal_form(model: onnx.ModelProto) -> None:
    """Set the IR version, name the batch, and drop what is not needed.

    Metadata names files of this machine; an older runtime refuses a domain that it does not know,
    even where no node uses it.
    """
    model.ir_version = IR_VERSION
    graph = model.graph
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.metadata_props[:], model.metadata_props[:], graph.value_info[:]
    del model.functions[:]
    used = {"", *_domains(graph)}
    opsets = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    model.producer_name, model.producer_version, model.doc_string = "edgecls", "", ""
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _domains(graph: onnx.GraphProto) -> set[str]:
    """The operator domains of a graph's nodes, those of its subgraphs too."""
    found = set()
    for node in graph.node:
        found.add(node.domain)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                found |= _domains(inner)
    return found


def with_batch(model: onnx.ModelProto, batch: Batch) -> None:
    """Fix the batch of a canonical graph in place; one that is dynamic stays so."""
    if batch == "dynamic":
        return
    for value in (*model.graph.input, *model.graph.output):
        dim = value.type.tensor_type.shape.dim[0]
        dim.Clear()
        dim.dim_value = batch


def normalisation_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes between the image and the first layer: they stay in float.

    They are followed kind by kind, because a net may also read the image's shape.
    """
    reached, found = INPUT, []
    for kind in ("Cast", "Transpose", "Sub", "Mul"):
        for node in model.graph.node:
            if node.op_type == kind and node.input[0] == reached:
                found.append(node.name)
                reached = node.output[0]
                break
    return found


def errors() -> tuple[type[Exception], ...]:
    """What onnx and ONNX Runtime raise for a graph that they refuse: children of Exception."""
    import onnx
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = [kind for kind in vars(state).values() if isinstance(kind, type)]
    return (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        *(kind for kind in found if issubclass(kind, Exception)),
    )


def run(path: Path, images: Images) -> Logits:
    """A canonical or static graph's logits in ONNX Runtime, on the CPU. Raises ConversionError."""
    import numpy as np
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        static = session.get_inputs()[0].shape[0]
        step = static if isinstance(static, int) else 64
        parts = [
            session.run(None, {INPUT: np.asarray(images[i : i + step])})[0]
            for i in range(0, len(images), step)
        ]
    except errors() as error:
        raise ConversionError(
            f"ONNX Runtime cannot run this graph: {error}", "report this net"
        ) from error
    logits: Logits = np.concatenate(parts).astype(np.float32)
    return logits


def _check(path: Path, source: CheckpointSource, tolerance: float) -> None:
    """The parity check of the export itself: on random images, which reach every range."""
    import numpy as np

    shape = (4, *source.preprocess.input_shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    try:
        difference = max_relative_difference(run(path, images), source.logits(images))
    except ConversionError:
        path.unlink()
        raise
    if not difference <= tolerance:
        path.unlink()
        raise ConversionError(
            f"the exported graph's logits differ from PyTorch's by {difference:.2g} of their "
            f"standard deviation, more than {tolerance:g}",
            "report this net: its export is wrong",
        )
