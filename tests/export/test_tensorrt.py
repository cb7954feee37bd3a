"""The kits `tensorrt` and `tensorrt-rtx`, with stand-ins for the GPU's driver and the runtime.

The stand-in for the driver moves real memory, the one for the runtime executes the graph in ONNX
Runtime: so a bundle proves itself here through every line of its kit.
"""

from __future__ import annotations

import ast
import ctypes
import enum
import gc
import importlib.util
import io
import json
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

from edgecls import bundle, hardware, kits, targets
from edgecls.core import DONE, Artifact, Batch, Dataset, Hardware, Images, Request
from edgecls.device import golden, meta
from edgecls.device.preprocess import Preprocess
from edgecls.errors import EdgeclsError
from edgecls.graph import CheckpointSource
from edgecls.models import checkpoint, zoo

HERE = Hardware("a host without a GPU", "x86_64")
needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed"
)
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


class Network:
    """What the parser fills."""

    def __init__(self, flags: int) -> None:
        self.flags, self.data, self.adjusted = flags, b"", False

    def get_input(self, index: int) -> Any:
        dims = onnx.load_from_string(self.data).graph.input[index].type.tensor_type.shape.dim
        shape = [dim.dim_value or -1 for dim in dims]
        return types.SimpleNamespace(name="image", shape=shape)

    @property
    def num_layers(self) -> int:
        return len(onnx.load_from_string(self.data).graph.node)

    def get_layer(self, index: int) -> Any:
        return onnx.load_from_string(self.data).graph.node[index]


class Profile:
    def __init__(self) -> None:
        self.shapes: tuple[Any, ...] = ()

    def set_shape(self, name: str, least: Any, best: Any, most: Any) -> None:
        assert name == "image"
        self.shapes = (least, best, most)


class Config(types.SimpleNamespace):
    """Of a builder. able: operators that the DLA has."""

    able = ("Conv", "Relu")

    def clear_flag(self, flag: Any) -> None:
        self.cleared.append(flag)

    def set_flag(self, flag: Any) -> None:
        self.flags.append(flag)

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profile = profile
        return 0

    def can_run_on_DLA(self, layer: Any) -> bool:
        return layer.op_type in self.able


class Profiler:
    """The abstract base; a real one refuses a child that does not call it."""

    def __init__(self) -> None:
        self.is_made = True


class Runtime(types.ModuleType):
    """The module ``tensorrt`` or ``tensorrt_rtx``; an engine is the graph with a version."""

    TensorIOMode = enum.Enum("TensorIOMode", "INPUT OUTPUT")
    DataType = enum.Enum("DataType", "UINT8 FLOAT")
    BuilderFlag = enum.Enum("BuilderFlag", "TF32 GPU_FALLBACK")
    DeviceType = enum.Enum("DeviceType", "GPU DLA")
    OnnxParserFlag = enum.Enum("OnnxParserFlag", "ADJUST_FOR_DLA")
    IProfiler = Profiler
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
        self.dla_cores = 0
        self.configs: list[Any] = []
        self.networks: list[Network] = []
        self.loaded: list[bytes] = []
        self.timings: list[bytes] = []
        self.Runtime = lambda logger: types.SimpleNamespace(deserialize_cuda_engine=self.load)
        self.Builder = lambda logger: types.SimpleNamespace(
            create_network=self.network,
            create_builder_config=self.config,
            create_optimization_profile=Profile,
            build_serialized_network=self.build,
            num_DLA_cores=self.dla_cores,
        )
        self.OnnxParser = lambda network, logger: types.SimpleNamespace(
            parse=lambda data: not self.refuses and bool(setattr(network, "data", data) or True),
            set_flag=lambda flag: setattr(network, "adjusted", True),
            num_errors=1,
            get_error=lambda index: types.SimpleNamespace(desc=lambda: "no such operator"),
        )

    def network(self, flags: int) -> Network:
        self.networks.append(Network(flags))
        return self.networks[-1]

    @property
    def mark(self) -> bytes:
        return ENGINE + self.__version__.encode() + b"\n"

    def config(self) -> Any:
        made = Config(
            cleared=[],
            flags=[],
            profile=None,
            create_timing_cache=lambda data: data,
            set_timing_cache=self.set_timings,
            get_timing_cache=lambda: types.SimpleNamespace(serialize=lambda: b"timings"),
        )
        self.configs.append(made)
        return made

    def set_timings(self, data: bytes, ignore_mismatch: bool) -> bool:
        self.timings.append(data)
        return data in (b"", b"timings") and not ignore_mismatch

    def build(self, network: Network, config: Any) -> bytes | None:
        assert network.flags == (1 << 1 if self.NetworkDefinitionCreationFlag else 0)
        assert config.cleared == [self.BuilderFlag.TF32]
        self.builds += 1
        shapes = config.profile.shapes if config.profile else ()
        return None if self.fails else self.mark + repr(shapes).encode() + b"\n" + network.data

    def load(self, data: bytes) -> Any:
        self.loaded.append(data)
        if not data.startswith(self.mark):
            return None
        shapes, _, graph = data[len(self.mark) :].partition(b"\n")
        return Engine(self, graph, ast.literal_eval(shapes.decode()))


class Engine:
    num_io_tensors = 2

    def __init__(self, runtime: Runtime, graph: bytes, shapes: tuple[Any, ...]) -> None:
        self.runtime, self.shapes = runtime, shapes
        self.batches: list[int] = []
        self.contexts: list[Any] = []
        self.reports = 0
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
        return [dim if isinstance(dim, int) else -1 for dim in self.tensors[name].shape]

    def get_tensor_profile_shape(self, name: str, profile: int) -> tuple[Any, ...]:
        assert (name, profile) == ("image", 0)
        return self.shapes

    def create_execution_context(self) -> Any:
        if self.runtime.stops:
            return None
        context = types.SimpleNamespace(
            set_tensor_address=self.addresses.__setitem__, set_input_shape=self.resize
        )
        context.execute_async_v3 = lambda stream: self.execute(stream, context)
        self.contexts.append(context)
        return context

    def resize(self, name: str, shape: tuple[int, ...]) -> bool:
        """A real context refuses what lies outside of its profile."""
        self.batches.append(shape[0])
        return name == "image" and self.shapes[0][0] <= shape[0] <= self.shapes[2][0]

    def execute(self, stream: int, context: Any) -> bool:
        assert stream == 7
        shape = self.get_tensor_shape("image")
        shape[0] = self.batches[-1] if self.batches else shape[0]
        pixels = ctypes.string_at(self.addresses["image"], int(np.prod(shape)))
        feed = {"image": np.frombuffer(pixels, np.uint8).reshape(shape)}
        logits = self.session.run(None, feed)[0].tobytes()
        ctypes.memmove(self.addresses["logits"], logits, len(logits))
        if hasattr(context, "profiler"):
            assert context.profiler.is_made
            self.reports += 1
            # As a real one: slow at first.
            slow = 10.0 if self.reports <= 10 else 1.0
            context.profiler.report_layer_time("conv + relu", 2.0 * slow)
            context.profiler.report_layer_time("fc", slow)
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


def make(model: Any, name: str, precision: str, folder: Path, batch: Batch = 1) -> Path:
    loaded, source = model
    (folder / "artifact").mkdir()
    (folder / "bundle").mkdir()
    target = targets.get("tensorrt" if name == "tensorrt-rtx" else name)
    scheme = target.scheme(HERE) if precision == "int8" else None
    machine = HERE if target.hardware is None else hardware.profile(target.hardware)
    request = Request(precision, machine, scheme, loaded.calibration(), batch)  # type: ignore[arg-type]
    artifact = target.convert(source, request, folder / "artifact")
    if name == "tensorrt-rtx":  # an engine of the stand-in
        target = targets.get(name)
        graph = (folder / "artifact" / "model.onnx").read_bytes()
        (folder / "artifact" / "model.engine").write_bytes(Runtime("1.7.1").mark + b"()\n" + graph)
        details = {"tensorrt_rtx": "1.7.1", "compute_capabilities": ["8.6", "12.0"]}
        files = ("model.engine",)
        artifact = Artifact(name, "fp16", folder / "artifact", files, DONE, details=details)
    contents = bundle.Contents("net", artifact, target, loaded, source, HERE)
    bundle.make(contents, folder / "bundle", runs_here=False)
    return folder / "bundle"


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Load a bundle's kit as ``infer.py`` does, and make its Runner."""
    names = ("harness", "cuda_session", "engine", "engine_build")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def runner(folder: Path, driver: Driver | None, prepare: bool = False, **modules: Any) -> Any:
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
            described = meta.read(str(folder))
            if prepare:
                return kit.prepare(str(folder), described)
            return kit.Runner(str(folder), described, 0)

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


def test_a_profile_is_of_a_context_of_its_own(made: Path, start: Any) -> None:
    trt = Runtime("10.3.0")
    runner = start(made, Driver(), tensorrt=trt)
    pixels = np.random.default_rng(2).integers(0, 256, (2, 24, 24, 1), dtype=np.uint8)
    before = runner.run(pixels)
    assert runner.profile(pixels, 20) == [
        {"name": "conv + relu", "type": "", "ms": pytest.approx(2.0)},
        {"name": "fc", "type": "", "ms": pytest.approx(1.0)},
    ]
    engine = runner.session._engine
    assert (engine.reports, len(engine.contexts)) == (30, 2)
    np.testing.assert_array_equal(runner.run(pixels), before)
    assert engine.reports == 30  # nothing is reported any more


def test_a_profile_that_fails_leaves_the_runner_as_it_was(made: Path, start: Any) -> None:
    trt = Runtime("10.3.0")
    runner = start(made, Driver(), tensorrt=trt)
    pixels = np.zeros((2, 24, 24, 1), np.uint8)
    before = runner.run(pixels)
    trt.stops = True
    with raises("engine does not start on Orin"):
        runner.profile(pixels, 3)
    trt.stops = False
    with pytest.raises(ValueError, match="could not broadcast"):
        runner.profile(pixels[:, :3], 3)
    np.testing.assert_array_equal(runner.run(pixels), before)
    assert runner.session._engine.reports == 0


@needs_rtx
def test_the_profiler_is_what_the_real_library_takes(made: Path, start: Any) -> None:
    import tensorrt_rtx as rtx

    start(made, Driver(), tensorrt=Runtime("10.3.0"))
    layers = sys.modules["cuda_session"].layer_times(rtx)
    assert isinstance(layers, rtx.IProfiler)
    layers.report_layer_time("fc", 0.5)
    assert layers.times == {"fc": [0.5]}


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
    assert not any(b"half a fi" in data for data in trt.loaded)
    start(made, Driver(), tensorrt=trt)
    assert trt.builds == 2


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tensorrt", "10.13.3", "its tensorrt is 10.13.3, here it is 10.3.0"),
        ("compute_capability", "11.0", "its compute capability is 11.0, here it is 8.7"),
        ("gpu", "Thor", r"its gpu is Thor, here it is Orin \(nvgpu\)"),
        ("bundle", "0" * 64, "its bundle is 0000"),
        ("variant", "dla 1", "its variant is dla 1"),
    ],
)
def test_an_engine_with_another_stamp_is_not_loaded(
    made: Path, start: Any, tmp_path: Path, name: str, value: str, message: str
) -> None:
    trt = Runtime("10.3.0")
    first = start(made, Driver(), tensorrt=trt)
    path = Path(first.about()["engine"])
    line, _, engine = path.read_bytes().partition(b"\n")
    stamp = json.loads(line[len(b"edgecls engine ") :])
    changed = json.dumps({**stamp, name: value}).encode()
    path.write_bytes(b"edgecls engine " + changed + b"\n" + engine)
    seen = len(trt.loaded)
    with raises(message) as caught:
        start(made, Driver(), tensorrt=trt)
    assert "infer.py --prepare" in caught.value.fix
    assert len(trt.loaded) == seen  # TensorRT was given nothing of it
    assert start(made, Driver(), prepare=True, tensorrt=trt)["build_seconds"] is not None
    assert start(made, Driver(), tensorrt=trt).build_seconds is None


def test_a_device_is_prepared_once(made: Path, start: Any) -> None:
    trt = Runtime("10.3.0")
    told = start(made, Driver(), prepare=True, tensorrt=trt)
    assert told["gpu"] == "Orin (nvgpu)" and Path(told["engine"]).is_file()
    assert start(made, Driver(), prepare=True, tensorrt=trt)["build_seconds"] is None
    assert start(made, Driver(), tensorrt=trt).build_seconds is None
    assert trt.builds == 1


def test_a_later_tensorrt_without_the_flag_builds_too(made: Path, start: Any) -> None:
    trt = Runtime("12.0.0")
    trt.NetworkDefinitionCreationFlag = ()  # type: ignore[assignment]
    start(made, Driver(), tensorrt=trt)
    assert trt.networks[0].flags == 0


@pytest.fixture(scope="module")
def dynamic(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(model, "tensorrt", "fp16", tmp_path_factory.mktemp("dynamic"), batch="dynamic")


def test_a_dynamic_batch_has_a_profile_and_is_run_as_it_comes(dynamic: Path, start: Any) -> None:
    runner = start(dynamic, Driver(), tensorrt=Runtime("10.3.0"))
    assert golden.verify(str(dynamic), meta.read(str(dynamic)), runner)["ok"]
    engine = runner.session._engine
    assert [shape[0] for shape in engine.shapes] == [1, 8, 32]
    engine.batches.clear()
    pixels = np.random.default_rng(2).integers(0, 256, (37, 24, 24, 1), dtype=np.uint8)
    logits = runner.run(pixels)
    assert (logits.shape, engine.batches, runner.batch) == ((37, 3), [32, 5], "dynamic")
    np.testing.assert_allclose(logits[36:], runner.run(pixels[36:]), atol=1e-5)


@pytest.fixture(scope="module")
def on_dla(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(model, "tensorrt-dla", "fp16", tmp_path_factory.mktemp("dla"))


def test_a_dla_takes_the_layers_that_it_has(
    on_dla: Path, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt = Runtime("10.3.0")
    trt.dla_cores = 2
    runner = start(on_dla, Driver(), tensorrt=trt)
    assert golden.verify(str(on_dla), meta.read(str(on_dla)), runner)["ok"]
    config = trt.configs[0]
    assert (config.DLA_core, config.default_device_type) == (0, trt.DeviceType.DLA)
    assert config.flags == [trt.BuilderFlag.GPU_FALLBACK] and trt.networks[0].adjusted
    able = sum(layer.op_type in Config.able for layer in map(trt.networks[0].get_layer, range(8)))
    assert able and f"dla: {runner.stamp['layers_on_dla']} of " in runner.about()["provider"]
    monkeypatch.setenv("EDGECLS_DLA_CORE", "1")
    other = start(on_dla, Driver(), tensorrt=trt)
    assert trt.configs[1].DLA_core == 1
    assert other.about()["engine"] != runner.about()["engine"]
    # A kept engine says it too.
    assert start(on_dla, Driver(), tensorrt=trt).about()["provider"] == other.about()["provider"]


@pytest.mark.parametrize(
    ("cores", "able", "asked", "message"),
    [
        (0, Config.able, "", "finds no DLA here: it is in TensorRT 10.0 to 10.7, and 11.4.1"),
        (2, (), "", "no layer of this net runs on the DLA"),
        (2, Config.able, "2", "there is no DLA core 2: this device has 2"),
        (2, Config.able, "first", "EDGECLS_DLA_CORE is 'first'"),
    ],
)
def test_a_dla_that_is_not_there_is_told(
    on_dla: Path,
    start: Any,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    able: tuple[str, ...],
    asked: str,
    message: str,
) -> None:
    trt = Runtime("10.13.3")
    trt.dla_cores = cores
    monkeypatch.setattr(Config, "able", able)
    monkeypatch.setenv("EDGECLS_DLA_CORE", asked)
    with raises(message) as caught:
        start(on_dla, Driver((11, 0)), tensorrt=trt)
    assert caught.value.fix and trt.builds == 0


# RTX has no timing cache, and says so; TensorRT has.
@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
@needs_rtx
def test_the_kits_build_is_what_the_real_parser_and_builder_take(dynamic: Path) -> None:
    """With TensorRT-RTX in the place of TensorRT, which has nearly its calls and needs no GPU."""
    import tensorrt_rtx as rtx

    class Builder:
        """Of RTX, told for which GPU: there is none here to ask."""

        def __init__(self, logger: Any) -> None:
            self.real = rtx.Builder(logger)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def create_builder_config(self) -> Any:
            config = self.real.create_builder_config()
            config.num_compute_capabilities = 1
            assert config.set_compute_capability(rtx.ComputeCapability.SM86, 0)
            return config

    class Log(rtx.ILogger):  # type: ignore[misc]
        def log(self, severity: Any, message: str) -> None:
            return None

    module = types.SimpleNamespace(**{**vars(rtx), "Builder": Builder})
    spec = spec_from_file_location("engine_build", dynamic / "engine_build.py")
    assert spec is not None and spec.loader is not None
    build = module_from_spec(spec)
    sys.path.insert(0, str(dynamic))
    try:
        spec.loader.exec_module(build)
        profile = meta.read(str(dynamic)).details["profile"]
        graph = str(dynamic / "model.onnx")
        built, timings, told = build.engine(module, Log(), graph, b"", profile)
        assert (len(built) > 10_000, len(timings) > 0, told) == (True, True, {})
        with raises("finds no DLA here"):
            build.engine(module, Log(), graph, timings, None, 0)
    finally:
        sys.path.remove(str(dynamic))
        forget(("harness",))


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
