"""Runs this bundle with TensorRT on an NVIDIA GPU. See --help.

The first run builds the engine, which can take minutes; it is kept in the user's cache.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)  # for the harness beside this file
sys.dont_write_bytecode = True  # a bundle has no file but those that meta.json lists

import engine
from harness.errors import EdgeclsError
from harness.harness import main

OLDEST = 10


class Runner:
    """The engine of this device; the GPU's, so that the number of CPU threads changes nothing."""

    def __init__(self, folder, meta, threads):
        # They need numpy: here, so that its absence is told as the runtime's is.
        from cuda_session import Cuda, Session
        from harness.meta import bundle_sha256

        self.cuda = Cuda()
        trt = tensorrt()
        self.version = trt.__version__
        self.threads = threads
        graph = os.path.join(folder, meta.model_files[0])
        self.runtime, loaded, self.path, self.build_seconds = engine.load(
            trt, self.cuda, graph, bundle_sha256(folder)
        )
        self.session = Session(trt, self.cuda, loaded)

    def run(self, images):
        """uint8[N, H, W, C] -> float32[N, K]; the engine's own batch is looped over."""
        return self.session.run(images)

    def about(self):
        return {
            "runtime": "tensorrt " + self.version,
            "provider": "cuda: {}, sm_{}".format(self.cuda.name, self.cuda.sm.replace(".", "")),
            "engine": self.path,
            "build_seconds": self.build_seconds,
            "threads": self.threads,
        }


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
    sys.exit(main(HERE, Runner))
