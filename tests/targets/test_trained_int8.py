"""A net that was trained for int8, on the targets: its own graph, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgecls import targets
from edgecls.core import Dataset, Scheme
from edgecls.device.golden import agreement, max_relative_difference
from edgecls.errors import ConversionError
from edgecls.graph import TRAINED_TOLERANCE, CheckpointSource, run
from edgecls.pipeline.package import package
from edgecls.quantize.strongly_typed import emulate


@pytest.mark.parametrize("activation", ["int8", "uint8"])
def test_the_graph_answers_as_the_net(
    activation: str, int8_source: CheckpointSource, tiny_data: Dataset
) -> None:
    graph = int8_source.quantized(Scheme(activation, activation == "int8"))  # type: ignore[arg-type]
    assert graph is not None
    images = tiny_data["test"][0]
    logits, reference = run(graph, images), int8_source.logits(images)
    assert agreement(logits, reference) >= 0.98
    assert max_relative_difference(logits, reference) <= TRAINED_TOLERANCE


def test_a_float_net_has_no_such_graph(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = CheckpointSource(tiny_checkpoint, tmp_path / "model.onnx")
    assert source.quantized(Scheme("int8", symmetric_activations=True)) is None


def test_it_has_no_graph_in_float(int8_source: CheckpointSource) -> None:
    with pytest.raises(ConversionError, match="trained for int8"):
        int8_source.onnx()


def test_a_scheme_that_it_was_not_trained_for_is_refused(int8_source: CheckpointSource) -> None:
    with pytest.raises(ConversionError, match="per channel"):
        int8_source.quantized(Scheme("int8", symmetric_activations=True, per_channel=False))


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_the_bundle_proves_itself(
    target: str, int8_source: CheckpointSource, tiny_data: Dataset, tmp_path: Path
) -> None:
    artifact = package("tiny", int8_source, targets.get(target), "int8", tmp_path)
    assert artifact.scheme is not None
    assert artifact.scheme.symmetric_activations
    assert artifact.scheme.reduce_range
    meta = json.loads((tmp_path / "meta.json").read_text(encoding="utf-8"))
    assert meta["golden"]["source"] == TRAINED_TOLERANCE


def test_openvino_computes_in_int8(int8_source: CheckpointSource) -> None:
    import openvino

    graph = int8_source.quantized(Scheme("uint8", symmetric_activations=False))
    compiled = openvino.Core().compile_model(openvino.convert_model(str(graph)), "CPU")
    kinds = {"Convolution": [], "FullyConnected": []}  # type: ignore[var-annotated]
    for node in compiled.get_runtime_model().get_ops():
        told = {key: str(node.get_rt_info()[key].astype(str)) for key in ("layerType",)}
        if told["layerType"] in kinds:
            precision = str(node.get_rt_info()["runtimePrecision"].astype(str))
            kinds[told["layerType"]].append(precision)
    assert len(kinds["Convolution"]) == 9
    assert {*kinds["Convolution"], *kinds["FullyConnected"]} <= {"u8", "i8"}


def test_tensorrt_gets_symmetric_int8_over_fp16(
    int8_source: CheckpointSource, tiny_data: Dataset, tmp_path: Path
) -> None:
    artifact = package("tiny", int8_source, targets.get("tensorrt"), "int8", tmp_path)
    assert artifact.details["emulated_max_rel_logit_diff"] <= TRAINED_TOLERANCE
    model = onnx.load(tmp_path / "model.onnx")
    zeros = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    zeros |= {
        n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t)
        for n in model.graph.node
        if n.op_type == "Constant"
    }
    quantizers = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert len(quantizers) == 14
    for node in quantizers:
        zero = zeros[node.input[2]]
        assert (zero.dtype, int(zero)) == (np.int8, 0)
    images = np.asarray(tiny_data["test"][0])
    assert agreement(emulate(model, images), int8_source.logits(images)) >= 0.95


@pytest.mark.parametrize(("target", "precision"), [("onnxruntime", "fp32"), ("tensorrt", "fp16")])
def test_float_is_refused_with_what_to_export(
    target: str, precision: str, int8_source: CheckpointSource, tmp_path: Path
) -> None:
    with pytest.raises(ConversionError, match="another") as error:
        package("tiny", int8_source, targets.get(target), precision, tmp_path)  # type: ignore[arg-type]
    assert "from the model that it was trained from" in error.value.fix


def test_the_reference_in_pytorch_is_the_rounded_net(
    int8_source: CheckpointSource, tmp_path: Path
) -> None:
    package("tiny", int8_source, targets.get("torch"), "fp32", tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text(encoding="utf-8"))
    assert meta["golden"]["source"] == TRAINED_TOLERANCE
