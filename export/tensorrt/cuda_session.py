"""CUDA memory and the execution of one engine, of TensorRT from 10.0 on or of TensorRT-RTX.

Calls the driver's own C API, which every NVIDIA driver and JetPack bring under one name; libcudart
has as many names as CUDA has versions. The kits `tensorrt` and `tensorrt-rtx` carry this same file.
"""

import ctypes
import sys
import weakref

import numpy as np
from harness.batches import DYNAMIC
from harness.errors import EdgeclsError

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
COMPUTE_CAPABILITY = (75, 76)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING


class Cuda:
    """The first visible GPU, its primary context, one stream, and the memory taken from it."""

    def __init__(self):
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise EdgeclsError(
                "this machine has no NVIDIA driver: {}".format(error),
                "run this bundle on a machine with an NVIDIA GPU",
            ) from error
        self.call("cuInit", ctypes.c_uint(0))
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
        # The primary context is the one that TensorRT's own calls use; it ends with the process.
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._context = context
        self.use()
        self.name = self._device_name(device)
        self.sm = self._compute_capability(device)
        self._held = []
        self.stream = self._take(
            "cuStreamCreate", "cuStreamDestroy_v2", ctypes.c_void_p(), ctypes.c_uint(NON_BLOCKING)
        )

    def use(self):
        """Make the context this thread's: each thread has its own, or none."""
        self.call("cuCtxSetCurrent", self._context)

    def call(self, function, *arguments):
        """One call of the driver. Raises EdgeclsError with the driver's own words."""
        status = getattr(self._library, function)(*arguments)
        if status:
            words = ctypes.c_char_p()
            self._library.cuGetErrorString(ctypes.c_int(status), ctypes.byref(words))
            raise EdgeclsError(
                "CUDA: {} failed: {}".format(
                    function, (words.value or b"error %d" % status).decode(errors="replace")
                ),
                "see that nvidia-smi (on a Jetson: tegrastats) shows the GPU, and reboot if not",
            )

    def device_memory(self, size):
        """The address of `size` bytes on the GPU."""
        return self._take("cuMemAlloc_v2", "cuMemFree_v2", ctypes.c_uint64(), ctypes.c_size_t(size))

    def pinned(self, shape, dtype):
        """A zeroed array in host memory that the GPU can copy from and to without help."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = self._take(
            "cuMemAllocHost_v2", "cuMemFreeHost", ctypes.c_void_p(), ctypes.c_size_t(size)
        )
        array = np.frombuffer((ctypes.c_uint8 * size).from_address(address.value), dtype)
        array[:] = 0
        return array.reshape(shape)

    def upload(self, device, array):
        self.call(
            "cuMemcpyHtoDAsync_v2",
            device,
            ctypes.c_void_p(array.ctypes.data),
            ctypes.c_size_t(array.nbytes),
            self.stream,
        )

    def download(self, array, device):
        self.call(
            "cuMemcpyDtoHAsync_v2",
            ctypes.c_void_p(array.ctypes.data),
            device,
            ctypes.c_size_t(array.nbytes),
            self.stream,
        )

    def wait(self):
        """Until the stream has done all that was asked."""
        self.call("cuStreamSynchronize", self.stream)

    def free(self):
        """Give back the memory and the stream, the last taken first."""
        while self._held:
            function, handle = self._held.pop()
            self.call(function, handle)

    def _take(self, take, give_back, handle, argument):
        self.call(take, ctypes.byref(handle), argument)
        self._held.append((give_back, handle))
        return handle

    def _device_name(self, device):
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, ctypes.c_int(len(name)), device)
        return name.value.decode(errors="replace")

    def _compute_capability(self, device):
        """Such as "8.7"."""
        numbers = []
        for attribute in COMPUTE_CAPABILITY:
            value = ctypes.c_int()
            self.call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(attribute), device)
            numbers.append(str(value.value))
        return ".".join(numbers)


class Session:
    """One engine with its buffers: uint8[B, H, W, C] in, float32[B, K] out.

    runtime: the module ``tensorrt`` or ``tensorrt_rtx``. batch: how many images the engine takes at
    once, ``dynamic`` where it takes any number up to `most`.
    """

    def __init__(self, runtime, cuda, engine):
        self._runtime, self._cuda, self._engine = runtime, cuda, engine
        self._memory = {}
        self._context = self._start()
        modes, types = runtime.TensorIOMode, runtime.DataType
        self._image = self._only(modes.INPUT, types.UINT8)
        logits = self._only(modes.OUTPUT, types.FLOAT)
        shape = tuple(engine.get_tensor_shape(self._image))
        self._dynamic = shape[0] < 0
        if self._dynamic:
            shape = tuple(engine.get_tensor_profile_shape(self._image, 0)[2])
        self.most = shape[0]
        self.batch = DYNAMIC if self._dynamic else self.most
        classes = tuple(engine.get_tensor_shape(logits))[1:]
        self._host_in, self._device_in = self._buffers(self._image, shape, np.uint8)
        self._host_out, self._device_out = self._buffers(logits, (self.most, *classes), np.float32)
        self._free = weakref.finalize(self, cuda.free)

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the engine's own batch is looped over."""
        most = self.most
        parts = [self._run(images[i : i + most]) for i in range(0, len(images), most)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, images):
        count = len(images)
        self._cuda.use()  # a server's queries come in a thread of their own
        self._host_in[:count] = images
        given = self._host_in
        if self._dynamic:
            given = self._host_in[:count]
            if not self._context.set_input_shape(self._image, given.shape):
                raise EdgeclsError("the engine takes no batch of {}".format(count))
        self._cuda.upload(self._device_in, given)
        if not self._context.execute_async_v3(self._cuda.stream.value):
            raise EdgeclsError("TensorRT could not run the engine: see the messages above")
        answered = self._host_out[: len(given)]
        self._cuda.download(answered, self._device_out)
        self._cuda.wait()
        return answered[:count].copy()

    def profile(self, images, queries):
        """Mean milliseconds of every layer of a query, by a context that reports them."""
        from harness.operators import WARMUP

        layers = layer_times(self._runtime)
        usual, self._context = self._context, self._start()
        try:
            self._context.profiler = layers
            for index in range(WARMUP + queries):
                if index == WARMUP:
                    layers.times.clear()
                self.run(images)
        finally:
            self._context = usual
        # Without the types: an engine keeps no more than names of what it fused.
        return [
            {"name": name, "type": "", "ms": sum(times) / queries}
            for name, times in layers.times.items()
        ]

    def _start(self):
        """A context of the engine on the buffers that there are."""
        context = self._engine.create_execution_context()
        if context is None:
            raise EdgeclsError(
                "the engine does not start on {}: see the messages above".format(self._cuda.name),
                "free some of its memory, or build the engine again",
            )
        for name, memory in self._memory.items():
            context.set_tensor_address(name, memory.value)
        return context

    def _only(self, mode, kind):
        """The name of the one tensor of a mode."""
        engine = self._engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        names = [name for name in names if engine.get_tensor_mode(name) == mode]
        if len(names) != 1 or engine.get_tensor_dtype(names[0]) != kind:
            raise EdgeclsError("the engine has no single {} tensor: {}".format(kind, names))
        return names[0]

    def _buffers(self, name, shape, dtype):
        """The pinned array and the GPU's memory of a tensor at its largest."""
        host = self._cuda.pinned(shape, dtype)
        device = self._cuda.device_memory(host.nbytes)
        self._memory[name] = device
        self._context.set_tensor_address(name, device.value)
        return host, device


def layer_times(runtime):
    """A profiler of `runtime`; its ``times`` are the milliseconds of each layer, in their order."""

    class Layers(runtime.IProfiler):
        def __init__(self):
            # TensorRT's own words: the base is to be called by its name.
            runtime.IProfiler.__init__(self)
            self.times = {}

        def report_layer_time(self, layer_name, ms):
            self.times.setdefault(layer_name, []).append(ms)

    return Layers()
