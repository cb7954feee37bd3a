"""Runs this bundle with TensorRT on an NVIDIA GPU, or on a Jetson's DLA. See --help.

The first run builds the engine, which can take minutes; it is kept in the user's cache.
``--prepare`` builds it ahead.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# The harness lies beside this file: after all else, so that nothing here is taken for a package.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") != os.path.realpath(HERE)]
sys.path.append(HERE)
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

import engine
import engine_build
from harness.errors import EdgeclsError
from harness.harness import main

OLDEST = 10
DLA_CORE = "EDGECLS_DLA_CORE"


class Runner:
    """The engine of this device; the GPU's, so that the number of CPU threads changes nothing."""

    def __init__(self, folder, meta, threads):
        # It needs numpy: here, so that its absence is told as the runtime's is.
        from cuda_session import Cuda, Session

        self.cuda = Cuda()
        trt = tensorrt()
        self.version = trt.__version__
        self.threads = threads
        self.engines = engines(trt, self.cuda, folder, meta)
        loaded, self.stamp, self.build_seconds = self.engines.load()
        self.session = Session(trt, self.cuda, loaded)
        self.batch = self.session.batch

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the engine's own batch is looped over."""
        return self.session.run(images)

    def profile(self, images, queries):
        return self.session.profile(images, queries)

    def about(self):
        provider = "cuda: {}, sm_{}".format(self.cuda.name, self.cuda.sm.replace(".", ""))
        if "layers_on_dla" in self.stamp:
            provider = "dla: {} of {} layers, else {}".format(
                self.stamp["layers_on_dla"], self.stamp["layers"], provider
            )
        return {
            "runtime": "tensorrt " + self.version,
            "provider": provider,
            "engine": self.engines.path,
            "build_seconds": self.build_seconds,
            "batch": self.batch,
            "threads": self.threads,
        }


def prepare(folder, meta):
    """Build this device's engine unless one that fits is kept; replaces one that does not."""
    from cuda_session import Cuda

    cuda = Cuda()
    found = engines(tensorrt(), cuda, folder, meta)
    seconds = None if found.is_ready() else found.build()[2]
    return {"engine": found.path, "build_seconds": seconds, "gpu": cuda.name}


def engines(trt, cuda, folder, meta):
    """The engines of this bundle's graph on this device."""
    from harness.meta import bundle_sha256

    graph = os.path.join(folder, meta.model_files[0])
    profile, core = meta.details.get("profile"), dla_core(meta)

    def make(logger, timings):
        return engine_build.engine(trt, logger, graph, timings, profile, core)

    variant = "" if core is None else "dla {}".format(core)
    return engine.Engines(trt, cuda, bundle_sha256(folder), make, variant)


def dla_core(meta):
    """The DLA core that a bundle is made for, or another of the same device; None for the GPU."""
    core = meta.details.get("dla_core")
    asked = os.environ.get(DLA_CORE, "")
    if core is None or not asked:
        return core
    if not asked.isdigit():
        raise EdgeclsError("{} is {!r}".format(DLA_CORE, asked), "give a number from 0 on")
    return int(asked)


def tensorrt():
    """The module. Raises EdgeclsError where it is missing, broken or too old."""
    try:
        import tensorrt as trt
    except ImportError as error:
        raise EdgeclsError(
            "Python finds no TensorRT: {}".format(error),
            "on a Jetson it comes with JetPack: make the environment with "
            "python3 -m venv --system-site-packages; elsewhere: {} -m pip install "
            '"tensorrt>={}"'.format(sys.executable, OLDEST),
        ) from error
    if int(trt.__version__.split(".")[0]) < OLDEST:
        raise EdgeclsError(
            "TensorRT {} is too old: this bundle needs {}.0 or newer".format(
                trt.__version__, OLDEST
            ),
            'on a Jetson: JetPack 6.1 or newer; elsewhere: {} -m pip install "tensorrt>={}"'.format(
                sys.executable, OLDEST
            ),
        )
    return trt


if __name__ == "__main__":
    sys.exit(main(HERE, Runner, prepare=prepare))
