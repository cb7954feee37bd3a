"""An engine that is really parsed and compiled here, without a GPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecls import nvidia
from edgecls.core import Batch, Hardware, Images, Logits, Request
from edgecls.device.preprocess import Preprocess
from edgecls.errors import ConversionError, MissingDependency, UsageError
from edgecls.graph import run
from edgecls.hardware import PROFILES
from edgecls.targets.tensorrt_rtx import TARGET

HERE = Hardware("a host without a GPU", "x86_64")
needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed"
)


class Block:
    """A `Source` of one residual block, written by hand: it needs no export."""

    preprocess = Preprocess(size=(8, 8))
    num_classes = 3

    def __init__(self, folder: Path) -> None:
        self.checkpoint = folder

    def quantized(self, scheme):
        return None

    def onnx(self) -> Path:
        path = self.checkpoint / "graph.onnx"
        onnx.save(block(), path)
        return path

    def logits(self, images: Images) -> Logits:
        return run(self.onnx(), images)


def block() -> onnx.ModelProto:
    rng = np.random.default_rng(0)

    def tensor(name: str, *shape: int) -> onnx.TensorProto:
        values = rng.normal(size=shape).astype(np.float32) / 4
        return numpy_helper.from_array(values, name)

    shape = numpy_helper.from_array(np.array([-1, 8], np.int64), "shape")
    axes = numpy_helper.from_array(np.array([2, 3], np.int64), "axes")
    offset = numpy_helper.from_array(np.full((1, 3, 1, 1), 127.5, np.float32), "offset")
    scale = numpy_helper.from_array(np.full((1, 3, 1, 1), 1 / 64, np.float32), "scale")
    weights = [
        tensor("w1", 8, 3, 3, 3),
        tensor("w2", 8, 8, 3, 3),
        tensor("b2", 8),
        tensor("w3", 3, 8),
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], name="flip", perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["nchw", "offset"], ["centred"], name="sub"),
        helper.make_node("Mul", ["centred", "scale"], ["x"], name="mul"),
        helper.make_node("Conv", ["x", "w1"], ["a"], name="conv1", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["r"], name="relu1"),
        helper.make_node("Conv", ["r", "w2", "b2"], ["b"], name="conv2", pads=[1] * 4),
        helper.make_node("Add", ["b", "r"], ["s"], name="add"),
        helper.make_node("Relu", ["s"], ["t"], name="relu2"),
        helper.make_node("ReduceMean", ["t", "axes"], ["m"], name="mean"),
        helper.make_node("Reshape", ["m", "shape"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3"], ["logits"], name="head", transB=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(
        nodes, "block", [image], [logits], [shape, axes, offset, scale, *weights]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def request(precision: str, machine: Hardware = HERE, batch: Batch = 1) -> Request:
    calibration = np.random.default_rng(1).integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)
    scheme = TARGET.scheme(machine) if precision == "int8" else None
    return Request(precision, machine, scheme, calibration, batch)  # type: ignore[arg-type]


@needs_rtx
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_one_engine_for_every_compute_capability_and_equal_to_the_byte(
    precision: str, tmp_path: Path
) -> None:
    engines = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        artifact = TARGET.convert(Block(tmp_path), request(precision), tmp_path / name)
        assert (artifact.files, artifact.compiled.status) == (("model.engine",), "ok")
        assert {"7.5", "8.6", "8.9", "12.0"} <= set(artifact.details["compute_capabilities"])
        assert artifact.versions[nvidia.RTX_PACKAGE] == artifact.details["tensorrt_rtx"]
        engines.append((tmp_path / name / "model.engine").read_bytes())
    assert engines[0] == engines[1]
    assert TARGET.requirements == (f"{nvidia.RTX_PACKAGE}=={artifact.details['tensorrt_rtx']}",)


@needs_rtx
def test_a_graph_that_does_not_compile_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecls.quantize.strongly_typed.graph", lambda *_: (onnx.ModelProto(), {}))
    with pytest.raises(ConversionError, match="cannot compile"):
        TARGET.convert(Block(tmp_path), request("fp16"), tmp_path)
    assert not (tmp_path / "model.engine").exists()


def test_without_the_package_each_step_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecls.hardware.package_version", lambda name: "")
    state = TARGET.availability()
    for outcome in (state.convert, state.compile, state.run):
        assert outcome.fix == 'pip install "edgecls[tensorrt-rtx]"'
    with pytest.raises(MissingDependency, match="tensorrt-rtx is not installed"):
        TARGET.convert(Block(tmp_path), request("fp16"), tmp_path)


@needs_rtx
def test_without_a_gpu_it_converts_and_compiles_but_does_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nvidia, "has_gpu", lambda: False)
    state = TARGET.availability()
    assert (state.convert.status, state.compile.status, state.run.status) == ("ok", "ok", "skipped")
    assert "infer.py --verify" in state.run.fix


@needs_rtx
def test_a_dynamic_batch_has_a_profile(tmp_path: Path) -> None:
    artifact = TARGET.convert(Block(tmp_path), request("fp16", batch="dynamic"), tmp_path)
    assert artifact.details["profile"] == {"min": 1, "opt": 8, "max": 32}
    assert (tmp_path / "model.engine").stat().st_size > 10_000


@needs_rtx
def test_a_gpu_that_it_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not for compute capability 8\.7") as caught:
        TARGET.convert(Block(tmp_path), request("fp16", PROFILES["jetson-orin"]), tmp_path)
    assert "--target tensorrt" in caught.value.fix


@needs_rtx
def test_only_the_gpus_that_are_asked_for_are_compiled_for(tmp_path: Path) -> None:
    one = Hardware("a laptop", "x86_64", compute_capabilities=("8.9", "8.7"))
    artifact = TARGET.convert(Block(tmp_path), request("fp16", one), tmp_path)
    assert artifact.details["compute_capabilities"] == ["8.9"]
