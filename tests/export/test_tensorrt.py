"""The kits `tensorrt` and `tensorrt-rtx`, with stand-ins for the GPU's driver and the runtime.

The stand-in for the driver moves real memory, the one for the runtime executes the graph in ONNX
Runtime: so a bundle proves itself here through every line of its kit.
"""

from __future__ import annotations

import ast
import ctypes
import enum
import gc
import io
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from edgecls import bundle, kits, targets
from edgecls.core import DONE, Artifact, Dataset, Hardware, Images, Request
from edgecls.device import golden, meta
from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint, zoo

HERE = Hardware("a host without a GPU", "x86_64")
ENGINE = b"engine of "
NO_DEVICE = 100


class Driver:
    """libcuda: its memory is the host's."""

    def __init__(self, sm: tuple[int, int] = (8, 7), fails: str = "") -> None:
        self.sm, self.fails = sm, fails
        self.memory: dict[int, Any] = {}
        self.streams = 0

    def __getattr__(self, name: str) -> Callable[..., int]:
        if not name.startswith("cu"):
            raise AttributeError(name)
        return lambda *arguments: NO_DEVICE if name == self.fails else 0

    def cuDeviceGetName(self, text: Any, size: Any, device: Any) -> int:
        text.value = b"Orin (nvgpu)"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: Any, device: Any) -> int:
        value._obj.value = self.sm[attribute.value - 75]
        return 0

    def cuGetErrorString(self, status: Any, words: Any) -> int:
        words._obj.value = b"no CUDA-capable device is detected"
        return 0

    def cuStreamCreate(self, stream: Any, flags: Any) -> int:
        self.streams += 1
        stream._obj.value = 7
        return 0

    def cuStreamDestroy_v2(self, stream: Any) -> int:
        self.streams -= 1
        return 0

    def cuMemAlloc_v2(self, address: Any, size: Any) -> int:
        block = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(block)
        self.memory[address._obj.value] = block
        return 0

    cuMemAllocHost_v2 = cuMemAlloc_v2

    def cuMemFree_v2(self, address: Any) -> int:
        del self.memory[address.value]
        return 0

    cuMemFreeHost = cuMemFree_v2

    def cuMemcpyHtoDAsync_v2(self, to: Any, origin: Any, size: Any, stream: Any) -> int:
        assert stream.value == 7
        ctypes.memmove(to.value, origin.value, size.value)
        return 0

    cuMemcpyDtoHAsync_v2 = cuMemcpyHtoDAsync_v2


class Runtime(types.ModuleType):
    """The module ``tensorrt`` or ``tensorrt_rtx``; an engine is the graph with a version."""

    TensorIOMode = enum.Enum("TensorIOMode", "INPUT OUTPUT")
    DataType = enum.Enum("DataType", "UINT8 FLOAT")
    BuilderFlag = enum.Enum("BuilderFlag", "TF32")
    NetworkDefinitionCreationFlag = enum.IntEnum("Flag", {"STRONGLY_TYPED": 1})

    class Logger:
        WARNING = 2

        def __init__(self, severity: int) -> None:
            assert severity == self.WARNING

    def __init__(self, version: str) -> None:
        super().__init__("tensorrt")
        self.__version__ = version
        self.builds = 0
        self.refuses = self.fails = self.stops = False
        self.timings: list[bytes] = []
        self.Runtime = lambda logger: types.SimpleNamespace(deserialize_cuda_engine=self.load)
        self.Builder = lambda logger: types.SimpleNamespace(
            create_network=lambda flags: {"flags": flags},
            create_builder_config=self.config,
            build_serialized_network=self.build,
        )
        self.OnnxParser = lambda network, logger: types.SimpleNamespace(
            parse=lambda data: not self.refuses and bool(network.update(data=data) or True),
            num_errors=1,
            get_error=lambda index: types.SimpleNamespace(desc=lambda: "no such operator"),
        )

    @property
    def mark(self) -> bytes:
        return ENGINE + self.__version__.encode() + b"\n"

    def config(self) -> Any:
        cleared: list[Any] = []
        return types.SimpleNamespace(
            cleared=cleared,
            clear_flag=cleared.append,
            create_timing_cache=lambda data: data,
            set_timing_cache=self.set_timings,
            get_timing_cache=lambda: types.SimpleNamespace(serialize=lambda: b"timings"),
        )

    def set_timings(self, data: bytes, ignore_mismatch: bool) -> bool:
        self.timings.append(data)
        return data in (b"", b"timings") and not ignore_mismatch

    def build(self, network: dict[str, Any], config: Any) -> bytes | None:
        assert network["flags"] == 1 << 1
        assert config.cleared == [self.BuilderFlag.TF32]
        self.builds += 1
        return None if self.fails else self.mark + network["data"]

    def load(self, data: bytes) -> Any:
        return Engine(self, data[len(self.mark) :]) if data.startswith(self.mark) else None


class Engine:
    num_io_tensors = 2

    def __init__(self, runtime: Runtime, graph: bytes) -> None:
        self.runtime = runtime
        options = onnxruntime.SessionOptions()
        # Its optimizations compute the bias scales of fp16 Q/DQ in fp16.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(graph, options)
        self.addresses: dict[str, int] = {}
        self.tensors = {
            t.name: t for t in (*self.session.get_inputs(), *self.session.get_outputs())
        }

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> Any:
        modes = self.runtime.TensorIOMode
        return modes.INPUT if name == "image" else modes.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        kinds = {"tensor(uint8)": "UINT8", "tensor(float)": "FLOAT"}
        return self.runtime.DataType[kinds[self.tensors[name].type]]

    def get_tensor_shape(self, name: str) -> list[int]:
        return list(self.tensors[name].shape)

    def create_execution_context(self) -> Any:
        if self.runtime.stops:
            return None
        return types.SimpleNamespace(
            set_tensor_address=self.addresses.__setitem__, execute_async_v3=self.execute
        )

    def execute(self, stream: int) -> bool:
        assert stream == 7
        shape = self.tensors["image"].shape
        pixels = ctypes.string_at(self.addresses["image"], int(np.prod(shape)))
        feed = {"image": np.frombuffer(pixels, np.uint8).reshape(shape)}
        logits = self.session.run(None, feed)[0].tobytes()
        ctypes.memmove(self.addresses["logits"], logits, len(logits))
        return True


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[checkpoint.Checkpoint, Any]:
    """A checkpoint of LeNet-5 with two golden images, and its source."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    preprocess = Preprocess(size=(24, 24), mode="L", mean=(0.5,), std=(0.25,))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 1), dtype=np.uint8)
    data = Dataset(
        labels=("a", "b", "c"),
        preprocess=preprocess,
        splits={"calibration": (pixels, np.zeros(8, np.int64))},
        fingerprint="",
        golden=tuple(png(image) for image in pixels[:2]),
    )
    net = zoo.build("lenet5", 3, 1, (24, 24)).eval()
    score = {"top1": 0.9, "top1_low": 0.8, "top1_high": 1.0, "num_images": 10}
    metrics = {"validation": score}
    checkpoint.save(folder, net, "lenet5", data, metrics=metrics, provenance={}, curves=[])
    return checkpoint.load(folder), CheckpointSource(folder, folder / "graph.onnx")


def png(image: Images) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image[:, :, 0]).save(stream, "png")
    return stream.getvalue()


@pytest.fixture(scope="module")
def made(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of `tensorrt`, int8, with a batch of 2."""
    return make(model, "tensorrt", "int8", tmp_path_factory.mktemp("bundles"), batch=2)


def make(model: Any, name: str, precision: str, folder: Path, batch: int = 1) -> Path:
    loaded, source = model
    (folder / "artifact").mkdir()
    (folder / "bundle").mkdir()
    target = targets.get("tensorrt")
    scheme = target.scheme(HERE) if precision == "int8" else None
    request = Request(precision, HERE, scheme, loaded.calibration(), batch)  # type: ignore[arg-type]
    artifact = target.convert(source, request, folder / "artifact")
    if name == "tensorrt-rtx":  # an engine of the stand-in
        target = targets.get(name)
        graph = (folder / "artifact" / "model.onnx").read_bytes()
        (folder / "artifact" / "model.engine").write_bytes(Runtime("1.7.1").mark + graph)
        details = {"tensorrt_rtx": "1.7.1", "compute_capabilities": ["8.6", "12.0"]}
        files = ("model.engine",)
        artifact = Artifact(name, "fp16", folder / "artifact", files, DONE, details=details)
    contents = bundle.Contents("net", artifact, target, loaded, source, HERE)
    bundle.make(contents, folder / "bundle", runs_here=False)
    return folder / "bundle"


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Load a bundle's kit as ``infer.py`` does, and make its Runner."""
    names = ("harness", "cuda_session", "engine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def runner(folder: Path, driver: Driver | None, **modules: Any) -> Any:
        def library(name: str) -> Driver:
            if driver is None:
                raise OSError(f"{name}: cannot open shared object file")
            return driver

        forget(names)
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)
        spec = spec_from_file_location("kit_infer", folder / "infer.py")
        assert spec is not None and spec.loader is not None
        kit = module_from_spec(spec)
        spec.loader.exec_module(kit)
        with monkeypatch.context() as patch:
            patch.setattr(ctypes, "CDLL", library)
            return kit.Runner(str(folder), meta.read(str(folder)), 0)

    yield runner
    forget(names)


def forget(names: tuple[str, ...]) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "edgecls").iterdir())


def raises(message: str) -> Any:
    """The kits raise the harness's own EdgeclsError: a class of the same name."""
    return pytest.raises(Exception, match=message)


def test_bundle_proves_itself_through_its_kit(made: Path, start: Any) -> None:
    runner = start(made, Driver(), tensorrt=Runtime("10.3.0"))
    answer = golden.verify(str(made), meta.read(str(made)), runner)
    assert answer["ok"]
    assert answer["source_top1_agreement"] == 1
    about = runner.about()
    assert about["runtime"] == "tensorrt 10.3.0"
    assert about["provider"] == "cuda: Orin (nvgpu), sm_87"
    assert about["build_seconds"] is not None


def test_images_of_any_number_pass_through_a_static_batch(made: Path, start: Any) -> None:
    runner = start(made, Driver(), tensorrt=Runtime("10.3.0"))
    pixels = np.random.default_rng(2).integers(0, 256, (5, 24, 24, 1), dtype=np.uint8)
    logits = runner.run(pixels)
    assert (logits.shape, logits.dtype) == ((5, 3), np.float32)
    np.testing.assert_array_equal(logits[3:4], runner.run(pixels[3:4]))


def test_engine_is_built_once_and_outside_the_bundle(
    made: Path, start: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trt = Runtime("10.3.0")
    first = start(made, Driver(), tensorrt=trt)
    assert "can take minutes" in capfd.readouterr().err
    second = start(made, Driver(), tensorrt=trt)
    assert capfd.readouterr().err == ""
    assert (trt.builds, second.about()["build_seconds"]) == (1, None)
    assert first.about()["engine"] == second.about()["engine"]
    machine = "tensorrt-10.3.0-Orin-nvgpu-sm8.7"
    digest = meta.bundle_sha256(str(made))
    assert cached(tmp_path) == sorted([f"{digest}-{machine}.engine", f"{machine}.timing"])
    assert meta.check(str(made), meta.read(str(made))) == []


def test_another_version_or_gpu_builds_its_own_engine(made: Path, start: Any) -> None:
    old, new = Runtime("10.3.0"), Runtime("11.0.0")
    for driver, trt in ((Driver(), old), (Driver(), new), (Driver((11, 0)), new)):
        start(made, driver, tensorrt=trt)
    assert (old.builds, new.builds) == (1, 2)


def test_a_damaged_cache_is_made_again(made: Path, start: Any, tmp_path: Path) -> None:
    trt = Runtime("10.3.0")
    start(made, Driver(), tensorrt=trt)
    for name in cached(tmp_path):
        (tmp_path / "cache" / "edgecls" / name).write_bytes(b"half a fi")
    start(made, Driver(), tensorrt=trt)
    assert trt.builds == 2
    assert trt.timings == [b"", b"half a fi", b""]
    start(made, Driver(), tensorrt=trt)
    assert trt.builds == 2


def test_without_a_place_for_the_cache_it_still_runs(
    made: Path, start: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    runner = start(made, Driver(), tensorrt=Runtime("10.3.0"))
    assert runner.run(np.zeros((1, 24, 24, 1), np.uint8)).shape == (1, 3)
    assert "is not kept" in capfd.readouterr().err


def test_everything_taken_from_the_gpu_is_given_back(made: Path, start: Any) -> None:
    driver = Driver()
    runner = start(made, driver, tensorrt=Runtime("10.3.0"))
    assert (len(driver.memory), driver.streams) == (4, 1)
    del runner
    gc.collect()
    assert (driver.memory, driver.streams) == ({}, 0)


@pytest.mark.parametrize(
    ("driver", "trt", "change", "message"),
    [
        (None, "10.3.0", "", "no NVIDIA driver: libcuda.so.1.*\n.*fix: run this bundle on"),
        (Driver(fails="cuInit"), "10.3.0", "", "cuInit failed: no CUDA-capable device"),
        (Driver(), None, "", "finds no TensorRT.*\n.*JetPack.*--system-site-packages"),
        (Driver(), "8.6.1", "", "8.6.1 is too old: this bundle needs 10.0"),
        (Driver(), "10.3.0", "refuses", "refuses .*model.onnx: no such operator"),
        (Driver(), "10.3.0", "fails", "cannot build an engine"),
        (Driver(), "10.3.0", "stops", "engine does not start on Orin"),
    ],
)
def test_what_is_missing_is_said_with_its_fix(
    made: Path, start: Any, driver: Driver | None, trt: str | None, change: str, message: str
) -> None:
    module = None if trt is None else Runtime(trt)
    if change:
        setattr(module, change, True)
    with raises(message) as caught:
        start(made, driver, tensorrt=module)
    assert type(caught.value).__name__ == EdgeclsError.__name__
    assert caught.value.fix


@pytest.fixture(scope="module")
def compiled(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(model, "tensorrt-rtx", "fp16", tmp_path_factory.mktemp("rtx"))


def test_an_rtx_bundle_proves_itself(compiled: Path, start: Any) -> None:
    runner = start(compiled, Driver((8, 6)), tensorrt_rtx=Runtime("1.7.1"))
    assert golden.verify(str(compiled), meta.read(str(compiled)), runner)["ok"]
    about = runner.about()
    assert (about["runtime"], about["provider"]) == (
        "tensorrt-rtx 1.7.1",
        "cuda: Orin (nvgpu), sm_86",
    )


@pytest.mark.parametrize(
    ("driver", "version", "message"),
    [
        (Driver((8, 6)), "1.8.0", "compiled by TensorRT-RTX 1.7.1, and 1.8.0 is installed.*\n.*"),
        (Driver((9, 0)), "1.7.1", "capability 9.0.* 8.6, 12.0\n.*export CHECKPOINT --target"),
    ],
)
def test_an_engine_for_another_version_or_gpu_is_not_loaded(
    compiled: Path, start: Any, driver: Driver, version: str, message: str
) -> None:
    with raises(message) as caught:
        start(compiled, driver, tensorrt_rtx=Runtime(version))
    assert "edgecls export" in caught.value.fix


def test_an_engine_that_does_not_load_is_named(compiled: Path, start: Any, tmp_path: Path) -> None:
    damaged = tmp_path / "bundle"
    shutil.copytree(compiled, damaged)
    (damaged / "model.engine").write_bytes(b"half an engine")
    with raises("does not load .*model.engine"):
        start(damaged, Driver((8, 6)), tensorrt_rtx=Runtime("1.7.1"))


def test_both_kits_carry_the_same_session_and_are_python_3_8() -> None:
    rtx, trt = (kits.kit_files(kit)["cuda_session.py"] for kit in ("tensorrt-rtx", "tensorrt"))
    assert rtx.read_bytes() == trt.read_bytes()
    for kit in ("tensorrt-rtx", "tensorrt"):
        for path in kits.kit_files(kit).values():
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_requirements_leave_tensorrt_to_jetpack(made: Path) -> None:
    assert "tensorrt" not in (made / "requirements.txt").read_text(encoding="utf-8")
    assert "JetPack" in (made / "README.md").read_text(encoding="utf-8")
    assert onnx.load(made / "model.onnx").graph.input[0].name == "image"
