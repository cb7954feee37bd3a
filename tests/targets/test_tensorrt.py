"""The graph that a Jetson gets: its types, its numbers, and its syntax check."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from edgecls import hardware, nvidia, targets
from edgecls.core import Dataset, Hardware, Images, Request, Source
from edgecls.device.preprocess import Preprocess
from edgecls.errors import ConversionError, UsageError
from edgecls.graph import CheckpointSource, run
from edgecls.models import checkpoint, zoo
from edgecls.quantize import fp16, strongly_typed
from edgecls.targets.tensorrt import TARGET

HERE = Hardware("a host without a GPU", "x86_64")
PREPROCESS = Preprocess(size=(32, 32), mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26))
needs_parser = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed"
)


def images(count: int) -> Images:
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["lenet5", "resnet8"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    net = zoo.build(request.param, 4, 3, (32, 32)).eval()
    data = Dataset(
        labels=("a", "b", "c", "d"),
        preprocess=PREPROCESS,
        splits={"calibration": (images(8), np.zeros(8, np.int64))},
        fingerprint="",
    )
    checkpoint.save(folder, net, request.param, data, metrics={}, provenance={}, curves=[])
    return CheckpointSource(folder, folder / "graph.onnx")


def convert(source: Source, out: Path, precision: str, batch: int = 1) -> onnx.ModelProto:
    scheme = TARGET.scheme(HERE) if precision == "int8" else None
    calibration = images(16) if scheme else None
    out.mkdir(exist_ok=True)
    TARGET.convert(source, Request(precision, HERE, scheme, calibration, batch), out)
    return onnx.load(out / "model.onnx")


def types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    return {value.name: value.type.tensor_type.elem_type for value in values} | {
        tensor.name: tensor.data_type for tensor in inferred.initializer
    }


def test_only_normalisation_and_logits_are_fp32(source: Source, tmp_path: Path) -> None:
    model = convert(source, tmp_path, "fp16")
    found = types(model)
    assert (found["image"], found["logits"]) == (TensorProto.UINT8, TensorProto.FLOAT)
    operators = {
        node.op_type
        for node in model.graph.node
        if any(found[name] == TensorProto.FLOAT for name in node.output)
    }
    assert operators == {"Cast", "Transpose", "Sub", "Mul"}
    assert [t.dims for t in model.graph.initializer if t.data_type == TensorProto.FLOAT] == [
        [1, 3, 1, 1],
        [1, 3, 1, 1],
    ]
    assert {e.version for e in model.opset_import if not e.domain} == {18}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_fp16_logits_are_near_the_nets_own(source: Source, tmp_path: Path) -> None:
    convert(source, tmp_path, "fp16")
    pixels = images(4)
    np.testing.assert_allclose(
        run(tmp_path / "model.onnx", pixels), source.logits(pixels), rtol=0.02, atol=0.02
    )


def test_int8_is_symmetric_q_dq_over_fp16(source: Source, tmp_path: Path) -> None:
    model = convert(source, tmp_path, "int8")
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    found = types(model)
    scaled = [n for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    for node in scaled:
        assert tensors[node.input[1]].dtype == np.float16
        assert tensors[node.input[2]].dtype == np.int8  # no int32 bias: the parser refuses it
        assert not tensors[node.input[2]].any()
    made = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            weight = made[node.input[1]]
            assert tensors[weight.input[0]].dtype == np.int8
            assert len(tensors[weight.input[1]]) == tensors[weight.input[0]].shape[0]
            assert made[node.input[0]].op_type == "DequantizeLinear"
            assert found[node.output[0]] == TensorProto.FLOAT16
    assert {e.version for e in model.opset_import if not e.domain} == {19}
    assert model.ir_version == 9


def test_the_shortcut_of_a_block_is_read_in_int8(source: Source, tmp_path: Path) -> None:
    model = convert(source, tmp_path, "int8")
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    sums = [
        {made[name] for name in node.input}
        for node in model.graph.node
        if node.op_type == "Add" and all(name in made for name in node.input)
    ]
    identities = [kinds for kinds in sums if kinds != {"Conv"}]
    assert identities == [{"Conv", "DequantizeLinear"}] * (1 if sums else 0)


def test_batch_is_static(source: Source, tmp_path: Path) -> None:
    model = convert(source, tmp_path, "fp16", batch=3)
    dims = [v.type.tensor_type.shape.dim[0].dim_value for v in (*model.graph.input,)]
    assert dims == [3]
    assert run(tmp_path / "model.onnx", images(6)).shape == (6, 4)


def test_two_conversions_are_equal_to_the_byte(source: Source, tmp_path: Path) -> None:
    for precision in ("fp16", "int8"):
        convert(source, tmp_path / "first", precision)
        convert(source, tmp_path / "second", precision)
        first, second = ((tmp_path / n / "model.onnx").read_bytes() for n in ("first", "second"))
        assert first == second


@needs_parser
def test_artifact_says_what_was_checked_and_what_was_not(source: Source, tmp_path: Path) -> None:
    artifact = TARGET.convert(source, Request("fp16", HERE), tmp_path)
    assert artifact.compiled.status == "skipped"
    assert "infer.py --verify" in artifact.compiled.fix
    assert "a check of the syntax and no more" in artifact.details["syntax_check"]
    assert "not a measurement" in artifact.details["emulated"]
    assert artifact.details["emulated_max_rel_logit_diff"] < 0.05


def test_without_the_parser_the_artifact_says_so(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    artifact = TARGET.convert(source, Request("fp16", HERE), tmp_path)
    assert artifact.details["syntax_check"].startswith("not checked")
    assert "edgecls[tensorrt-rtx]" in artifact.details["syntax_check"]


@needs_parser
def test_a_graph_that_the_parser_refuses_is_a_conversion_error() -> None:
    """A transposition of uint8, which ONNX allows and TensorRT does not."""
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 4, 4, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.UINT8, [1, 3, 4, 4])
    node = helper.make_node("Transpose", ["image"], ["logits"], name="flip", perm=[0, 3, 1, 2])
    graph = helper.make_graph([node], "g", [image], [logits])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(ConversionError, match="parser refuses this graph") as caught:
        nvidia.parse(model.SerializeToString())
    assert "flip" in str(caught.value)
    assert "CUDA driver" not in str(caught.value)


def test_int8_without_images_is_refused(source: Source, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="calibration"):
        TARGET.convert(source, Request("int8", HERE, TARGET.scheme(HERE)), tmp_path)


def test_a_weight_beyond_fp16_is_refused_by_its_name() -> None:
    tensor = numpy_helper.from_array(np.array([1.0, -70000.0], np.float32), "head.weight")
    with pytest.raises(ConversionError, match=r"head\.weight holds 70000"):
        fp16.half(tensor)


def test_a_tiny_weight_does_not_become_zero() -> None:
    values = np.array([1e-9, -1e-9, 0.0, np.inf, 1.0], np.float32)
    halves = numpy_helper.to_array(fp16.half(numpy_helper.from_array(values, "w")))
    assert halves.dtype == np.float16
    assert list(np.sign(halves)) == [1, -1, 0, 1, 1]
    assert np.isinf(halves[3])


def test_an_activation_beyond_fp16_is_refused(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every weight fits, but their sums do not."""
    model = onnx.load(source.onnx())
    for node in model.graph.node:
        if node.op_type == "Conv":
            weight = next(t for t in model.graph.initializer if t.name == node.input[1])
            large = numpy_helper.to_array(weight) * 0 + 30000
            weight.CopyFrom(numpy_helper.from_array(large, weight.name))
    onnx.save(model, tmp_path / "large.onnx")
    monkeypatch.setattr(type(source), "onnx", lambda self: tmp_path / "large.onnx")
    with pytest.raises(ConversionError, match=r"Conv .* overflows fp16"):
        TARGET.convert(source, Request("fp16", HERE), tmp_path)


def test_a_graph_that_differs_from_its_source_is_refused(source: Source) -> None:
    with pytest.raises(ConversionError, match="differ from the source"):
        strongly_typed.graph(source, Request("fp16", HERE), tolerance=1e-9)


def test_availability_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "has_gpu", lambda: False)
    state = TARGET.availability()
    assert state.convert.status == "ok"
    for outcome in (state.compile, state.run):
        assert (outcome.status, bool(outcome.reason), bool(outcome.fix)) == ("skipped", True, True)


def test_a_gpu_is_known_by_its_device_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "nvidia0"
    monkeypatch.setattr(nvidia, "DEVICES", (str(node),))
    monkeypatch.setattr(nvidia.shutil, "which", lambda name: None)
    assert not nvidia.has_gpu()
    node.touch()
    assert nvidia.has_gpu()


def test_a_dla_takes_a_fixed_batch_in_fp16_on_an_orin_alone(source: Source, tmp_path: Path) -> None:
    dla = targets.get("tensorrt-dla")
    assert (dla.precisions, dla.dynamic_batch, dla.kit) == (("fp16",), False, "tensorrt")
    orin = hardware.PROFILES["jetson-orin"]
    artifact = dla.convert(source, Request("fp16", orin, batch=2), tmp_path)
    assert artifact.details["dla_core"] == 0 and artifact.compiled.status == "skipped"
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_value == 2
    for machine in (HERE, hardware.PROFILES["jetson-thor"]):
        with pytest.raises(UsageError, match="has no DLA") as caught:
            dla.convert(source, Request("fp16", machine), tmp_path)
        assert "--target tensorrt" in caught.value.fix
    assert dla.availability().run.status == "skipped"


def test_a_dynamic_batch_stays_open_and_has_a_profile(source: Source, tmp_path: Path) -> None:
    artifact = TARGET.convert(source, Request("fp16", HERE, batch="dynamic"), tmp_path)
    dim = onnx.load(tmp_path / "model.onnx").graph.input[0].type.tensor_type.shape.dim[0]
    assert dim.dim_param == "batch" and artifact.details["profile"] == nvidia.PROFILE
    assert run(tmp_path / "model.onnx", images(3)).shape == (3, 4)
