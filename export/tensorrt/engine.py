"""The engine of this bundle's graph, built on this very device and kept in the user's cache.

An engine fits one version of TensorRT and one GPU, so both are in its file's name; the bundle
itself gets no new file. A timing cache beside it shortens the next build.
"""

import os
import re
import sys
import time

from harness.errors import EdgeclsError


def folder():
    """Where engines are kept: ``edgecls`` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):
        home = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "edgecls")


def load(trt, cuda, graph, bundle_sha256):
    """``(runtime, engine, its file, seconds of its build)``; None where it was kept from before."""
    machine = "tensorrt-{}-{}-sm{}".format(trt.__version__, _slug(cuda.name), cuda.sm)
    path = os.path.join(folder(), "{}-{}.engine".format(bundle_sha256, machine))
    logger = trt.Logger(trt.Logger.WARNING)
    runtime = trt.Runtime(logger)
    kept = _read(path)
    engine = runtime.deserialize_cuda_engine(kept) if kept else None
    seconds = None
    if engine is None:
        sys.stderr.write(
            "building the engine with TensorRT {} for {}: once, it can take minutes\n".format(
                trt.__version__, cuda.name
            )
        )
        began = time.perf_counter()
        built = _build(trt, logger, graph, os.path.join(folder(), machine + ".timing"))
        seconds = time.perf_counter() - began
        _keep(path, built)
        engine = runtime.deserialize_cuda_engine(built)
    if engine is None:
        raise EdgeclsError(
            "TensorRT {} does not load the engine that it built".format(trt.__version__),
            "see its messages above",
        )
    return runtime, engine, path, seconds


def _build(trt, logger, graph, timing_path):
    """The serialized engine. Types come from the graph; TF32 would be another precision."""
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    with open(graph, "rb") as stream:
        data = stream.read()
    if not parser.parse(data):
        said = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise EdgeclsError(
            "TensorRT {} refuses {}: {}".format(trt.__version__, graph, "; ".join(said)),
            "install a newer TensorRT (on a Jetson: a newer JetPack), or export fp16",
        )
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    timings = config.create_timing_cache(_read(timing_path))
    if timings is None or not config.set_timing_cache(timings, False):  # of another driver
        config.set_timing_cache(config.create_timing_cache(b""), False)
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise EdgeclsError(
            "TensorRT {} cannot build an engine of {}".format(trt.__version__, graph),
            "see its messages above; where memory is short, end other programs",
        )
    _keep(timing_path, bytes(config.get_timing_cache().serialize()))
    return bytes(built)


def _slug(name):
    return re.sub("[^A-Za-z0-9]+", "-", name).strip("-")


def _read(path):
    """A file's bytes, none where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def _keep(path, data):
    """Write beside and rename; a device without a place to write builds every time."""
    beside = "{}.{}.part".format(path, os.getpid())
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(beside, "wb") as stream:
            stream.write(data)
        os.replace(beside, path)
    except OSError as error:
        sys.stderr.write("{} is not kept: {}\n".format(path, error))
